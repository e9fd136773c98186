"""B39: a memory error truncates the page of a shmem file.

Symptom: after a memory error the file reads as zeroes there, silently; and lseek() finds a hole.

 1. M: memory_failure() of the page at index 0: it unmaps it, and takes it out of the page cache, as it does for any
    file; the processes that have it mapped get a signal.
 2. R: read() of index 0 finds a hole: zeroes.

Mistake: a page can be dropped from the page cache if there is another copy on a disk.  Shmem has none.

Fix: a76054266661 ("mm: shmem: don't truncate page if memory failure happens", 5.16): the page stays, marked, and
read(2), write(2) and faults look at the mark.
"""

from __future__ import annotations

from typing import Final

from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.memory_failure import generic_error_remove_folio
from pagecache.operations import Load, MemoryFailure, Read, SeekData, SeekHole, Write

BUG: Final = Bug(
    number=39,
    name="memory-failure-truncates",
    kernel=LINUX_2026_MENDED.replace(
        name="b39-memory-failure-truncates",
        summary="what a memory error has destroyed reads as zeroes",
        source="mm/memory-failure.c before a76054266661",
        error_remove_folio=generic_error_remove_folio,
    ),
    fixed=LINUX_2026_MENDED,
    fix="a76054266661",
    release="5.16",
    minimum=Minimum(tasks=1, operations=1, deviations=0),
    breaks=("every_call_is_explained_by_a_sparse_file",),
    focus=Focus((MemoryFailure, Read, Load, Write, SeekData, SeekHole)),
)
