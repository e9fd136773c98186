"""A page table and a huge page never share a PMD: whoever installs one waits for the PMD lock."""

from __future__ import annotations

import pytest
from stepping import Hand, K, world

from pagecache.fault import access
from pagecache.operations import Operation, Store, UffdWriteProtect
from pagecache.step import Task
from pagecache.world import VmaSpec, World, WorldSpec

B = Task("B", 1)
HUGE = WorldSpec(vmas=(VmaSpec(huge=True, wp=True),), large=((0, 1),))


@pytest.fixture(autouse=True)
def _fresh_tasks() -> None:
    for task in (K, B):
        task.atomic = 0
        task.held.clear()


def before_set_pmd_at(here: World) -> Hand:
    """A store that has looked at the PMD under its lock, found nothing there, and is about to set it."""
    hand = Hand(access(here.vmas[0], 0, "stored", waits=True), K)
    hand.until("set_pmd_at")
    return hand


@pytest.mark.parametrize("operation", [UffdWriteProtect(index=0), Store(index=1)], ids=str)
def test_a_page_table_is_not_installed_while_a_huge_page_is_mapped(operation: Operation) -> None:
    here = world(HUGE, "linux-2026-mended")
    table = here.vmas[0].table(0)
    store = before_set_pmd_at(here)
    other = Hand(operation.run(here, "other"), B)

    while not other.blocked and other.pending is not None:
        other.step()

    assert not table.present
    store.step()
    assert table.huge is not None
