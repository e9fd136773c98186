"""B18's second half, 55fc0d917467 ("mm, thp: lock filemap when truncating page cache"), is none in today's page cache.

Nothing depends on the lock in do_dentry_open() any more: a huge page is one multi-index entry (6b24ca4a1a8d, "mm: Use
multi-index entries in the page cache", 5.17), whose sibling slots a walk skips; and lookups return folios.  What it was
before is in ``test_b18_tail.py``.
"""

from __future__ import annotations

import pytest

from fuzz.search.exhaustive import search
from fuzz.subject import Subject
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_2026
from pagecache.operations import OpenWrite
from pagecache.regular.backing import filemap_nr_thps, get_write_access
from pagecache.regular.truncate import truncate_inode_pages
from pagecache.truncate import INFINITY
from pagecache.world import VmaSpec, WorldSpec
from pagecache.zap import unmap_mapping_range
from strategies.case import Case
from strategies.programs import named


async def do_dentry_open(mapping: AddressSpace) -> None:
    """``do_dentry_open()`` of 5.15: drops all pages without the invalidate_lock."""
    await get_write_access(mapping)
    thps = await filemap_nr_thps(mapping)
    if thps:
        await unmap_mapping_range(mapping, 0, INFINITY)
        await truncate_inode_pages(mapping, 0)


UNLOCKED = LINUX_2026.replace(name="5.15-open", summary="without 55fc0d917467", do_dentry_open=do_dentry_open)

WORLDS = {
    "one leaf": WorldSpec(large=((0, 1),), backing="file"),
    "mapped": WorldSpec(large=((0, 1),), vmas=(VmaSpec(mapped=(0, 1)),), backing="file"),
    "siblings in an inner node": WorldSpec(
        ("data",) * 8, hpage_order=3, size=8, vmas=(VmaSpec(end=8),), large=((0, 3),), backing="file"
    ),
}


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_two_openers_without_the_lock_break_nothing(world: WorldSpec) -> None:
    case = Case(UNLOCKED.name, world, named(((OpenWrite(),), (OpenWrite(),))))
    subject = Subject(UNLOCKED)

    found = search(lambda: subject.execution(case))

    assert found.failure is None
    assert found.exhausted
