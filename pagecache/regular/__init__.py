"""Regular files of a disk file system, with read-only huge pages (``CONFIG_READ_ONLY_THP_FOR_FS``).

================  =====================================================================
``backing``       the disk, and who has the file open for writing
``add``           inserting a folio, over a shadow entry perhaps a large one
``read``          read(2), page faults, readahead
``write``         write(2), write-back
``mkwrite``       the first store to a page through a mapping
``truncate``      truncate(2), and the pages that are dropped when a file is opened for writing
``open``          opening for writing
``reclaim``       clean pages go, and leave a shadow entry
================  =====================================================================
"""
