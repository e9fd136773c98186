"""B01: data vanishes from SEEK_DATA and mincore().

Symptom: lseek() reports a hole, and mincore() 0, for data that was never removed.

Ladder:

 1. K: stores the huge page, locked and not uptodate, in the slot of a page that is there.
 2. S: lseek() or mincore() looks at that index and never locks: not uptodate, hence a hole.
 3. K: copies and marks it uptodate, or puts the old page back.

Mistake: whether there is data was encoded as "a page that is uptodate", and a placeholder was published without.

Fix: a2e17cc2efc7 ("maintain page cache uptodate flag", 6.4): the old pages stay, and the huge page is stored once,
when its data is there and it is uptodate.

The function is that of 6.2, see :mod:`pagecache.collapse.linux_6_2`.  Left out: nothing.
"""

from __future__ import annotations

from typing import Final

from pagecache.collapse.linux_6_2 import collapse_file
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_6_4_MENDED
from pagecache.operations import Collapse, Mincore, SeekData, SeekHole

__all__ = ["BUG", "collapse_file"]

BUG: Final = Bug(
    number=1,
    name="data-looks-like-a-hole",
    kernel=LINUX_6_4_MENDED.replace(
        name="b01-data-looks-like-a-hole",
        summary="data vanishes from SEEK_DATA and mincore",
        source="mm/khugepaged.c before a2e17cc2efc7",
        collapse_file=collapse_file,
    ),
    fixed=LINUX_6_4_MENDED,
    fix="a2e17cc2efc7",
    release="6.4",
    minimum=Minimum(tasks=2, operations=2, deviations=1),
    breaks=("every_call_is_explained_by_a_sparse_file",),
    focus=Focus((Collapse, SeekData, SeekHole, Mincore)),
)
