"""B37, exhausted: a huge page across the end of the file; what each of the two commits is good for."""

from __future__ import annotations

from questions import never, reach

from pagecache.folio import Folio
from pagecache.history.b37_mapped_beyond_i_size import BUG
from pagecache.inode import AddressSpace
from pagecache.kernels import LINUX_2026, LINUX_2026_MENDED
from pagecache.operations import Collapse, Load, Read, Truncate
from pagecache.rmap import try_to_unmap
from pagecache.world import VmaSpec, WorldSpec

UNMAPPED, MAPPED = BUG.focus.worlds
(EXPLAINED,) = BUG.breaks
ON_DISK = WorldSpec(("hole", "hole"), vmas=(VmaSpec(huge=True),), backing="file")


async def only_to_split(mapping: AddressSpace, folio: Folio, **flags: bool) -> None:
    """Instead of try_to_unmap() in truncate_inode_partial_folio(), which has no lock for it; whoever splits has."""
    if flags.get("rmap_locked"):
        await try_to_unmap(mapping, folio, **flags)


WITHOUT_FA04F5B60FDA = LINUX_2026_MENDED.replace(name="without-fa04f5b60fda", try_to_unmap=only_to_split)


def test_the_fault_that_keeps_the_split_from_happening_maps_it() -> None:
    reach(BUG.kernel, UNMAPPED, [Load(0), Load(1)], [Truncate(1)], promise=EXPLAINED, deviations=1)


def test_any_reference_and_any_fault_will_do() -> None:
    reach(BUG.kernel, UNMAPPED, [Read(0)], [Truncate(1), Load(0), Load(1)], promise=EXPLAINED, deviations=1)


def test_it_was_mapped_before_and_that_is_over() -> None:
    assert never(BUG.kernel, MAPPED, [Read(0)], [Truncate(1), Load(1)], promise=EXPLAINED)


def test_a_fault_maps_nothing_across_the_end() -> None:
    assert never(BUG.fixed, UNMAPPED, [Load(0), Load(1)], [Truncate(1)], promise=EXPLAINED)
    assert never(BUG.fixed, MAPPED, [Read(0)], [Truncate(1), Load(0), Load(1)], promise=EXPLAINED)


def test_to_unmap_it_when_it_cannot_be_split_is_not_what_helps() -> None:
    assert never(WITHOUT_FA04F5B60FDA, UNMAPPED, [Load(0), Load(1)], [Truncate(1)], promise=EXPLAINED)
    assert never(WITHOUT_FA04F5B60FDA, MAPPED, [Read(0)], [Truncate(1), Load(0), Load(1)], promise=EXPLAINED)


def test_madvise_maps_what_a_fault_would_not() -> None:
    """See pagecache/mended/set_huge_pmd.py."""
    reach(LINUX_2026, ON_DISK, [Collapse(0), Load(0)], [Truncate(0)], promise=EXPLAINED, deviations=1)
    reach(LINUX_2026, UNMAPPED, [Read(0)], [Truncate(1), Collapse(0), Load(1)], promise=EXPLAINED, deviations=1)
    assert never(LINUX_2026_MENDED, ON_DISK, [Collapse(0), Load(0)], [Truncate(0)], promise=EXPLAINED)
