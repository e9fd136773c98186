from __future__ import annotations

from typing import Any

import pytest
from stepping import Hand, run, world

from pagecache.inode import BLOCKS_PER_PAGE, shmem_recalc_inode
from pagecache.shmem_charge import (
    shmem_charge_4_8,
    shmem_charge_4_20,
    shmem_charge_6_6,
    shmem_uncharge_4_8,
    shmem_uncharge_6_6,
)
from pagecache.step import Task
from pagecache.world import World

B = Task("B", 1)


def counts(here: World) -> tuple[int, int, int]:
    """``nrpages``, ``alloced``, and ``i_blocks`` in pages."""
    return here.mapping.nrpages, here.inode.info.alloced, here.inode.i_blocks // BLOCKS_PER_PAGE


@pytest.mark.parametrize("charge", [shmem_charge_4_20, shmem_charge_6_6])
def test_charging_raises_all_three_counts(charge: Any) -> None:
    here = world()

    assert run(charge(here.inode, 1))
    assert counts(here) == (2, 2, 2)


def test_the_first_version_takes_its_own_charge_back() -> None:
    here = world()

    assert run(shmem_charge_4_8(here.inode, 1))
    assert counts(here) == (2, 1, 1)


@pytest.mark.parametrize("charge", [shmem_charge_4_8, shmem_charge_4_20, shmem_charge_6_6])
def test_a_charge_that_fails_changes_nothing(charge: Any) -> None:
    here = world()

    assert not run(charge(here.inode, 1), failing=[("shmem_charge", 1)])
    assert counts(here) == (1, 1, 1)


@pytest.mark.parametrize("uncharge", [shmem_uncharge_4_8, shmem_uncharge_6_6])
def test_uncharging_follows_the_pages_that_the_caller_has_taken_off(uncharge: Any) -> None:
    here = world()
    run(shmem_charge_4_20(here.inode, 1))
    here.mapping.nrpages -= 1

    run(uncharge(here.inode, 1))

    assert counts(here) == (1, 1, 1)


def test_until_6_5_a_recalculation_in_between_is_counted_twice() -> None:
    """509f006932de: stat(2) between the two lines of a rollback is enough."""
    here = world()
    run(shmem_charge_4_20(here.inode, 1))
    here.mapping.nrpages -= 1
    uncharge = Hand(shmem_uncharge_4_8(here.inode, 1))

    run(shmem_recalc_inode(here.inode, 0, 0), B)
    uncharge.finish()

    assert counts(here) == (1, 0, 0)


def test_since_6_6_a_recalculation_in_between_does_the_work() -> None:
    here = world()
    run(shmem_charge_6_6(here.inode, 1))
    here.mapping.nrpages -= 1
    uncharge = Hand(shmem_uncharge_6_6(here.inode, 1))

    run(shmem_recalc_inode(here.inode, 0, 0), B)
    uncharge.finish()

    assert counts(here) == (1, 1, 1)


def test_a_recalculation_takes_off_what_was_dropped_behind_the_back_of_shmem() -> None:
    here = world()
    here.mapping.nrpages = 0

    run(shmem_recalc_inode(here.inode, 0, 0))

    assert counts(here) == (0, 0, 0)


def test_a_recalculation_that_finds_too_few_leaves_it_at_that() -> None:
    here = world()
    here.mapping.nrpages = 2

    run(shmem_recalc_inode(here.inode, 0, 0))

    assert counts(here) == (2, 1, 1)
