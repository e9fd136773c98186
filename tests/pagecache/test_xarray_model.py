"""The whole tree against a dictionary."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from stepping import run
from xarray_rig import R, Thing, W, look, misshapen, store, wasteful

from pagecache.xarray import (
    SiblingEntry,
    ValueEntry,
    XArray,
    XaState,
    xa_cmpxchg,
    xa_get_order,
    xa_marked,
    xas_clear_mark,
    xas_create_range,
    xas_find,
    xas_find_conflict,
    xas_find_marked,
    xas_get_mark,
    xas_load,
    xas_lock_irq,
    xas_next,
    xas_nomem,
    xas_pause,
    xas_set_mark,
    xas_split,
    xas_split_alloc,
    xas_unlock_irq,
)
from pagecache.xarray.marks import marks_at

NR = 20
ORDER_MAX = 4

INDICES = st.integers(0, NR - 1)
ORDERS = st.integers(0, ORDER_MAX)
MARKS = st.integers(0, 2)


class Held(NamedTuple):
    """An entry of the dictionary: where it begins, how large it is, and its marks."""

    entry: Any
    base: int
    order: int
    marks: frozenset[int] = frozenset()


class Against(RuleBasedStateMachine):
    """Whatever is done to the tree is done to a dictionary; both always say the same."""

    @initialize(chunk_shift=st.integers(1, 3))
    def make(self, chunk_shift: int) -> None:
        self.xa = XArray(NR, chunk_shift)
        self.held: dict[int, Held] = {}
        self.names = 0
        self.roomy = False  # may there be nodes without entries?

    def fresh(self, *, value: bool) -> Any:
        self.names += 1
        return ValueEntry(self.names) if value else Thing(f"t{self.names}")

    def put(self, held: Held) -> None:
        for index in range(held.base, held.base + (1 << held.order)):
            self.held[index] = held

    def within(self, base: int, order: int) -> list[Held]:
        """The entries that overlap a range, each once."""
        found = (self.held.get(index) for index in range(base, base + (1 << order)))
        return list(dict.fromkeys(held for held in found if held is not None))

    @rule(index=INDICES, order=ORDERS, value=st.booleans(), failing=st.booleans())
    def store(self, index: int, order: int, value: bool, failing: bool) -> None:
        base = index >> order << order
        if base + (1 << order) > NR:
            return
        before = self.held.get(base)
        if before is not None and before.order > order:
            # Only the canonical slot is written, but nr_values counts siblings, too: the kernel loses count.
            value = isinstance(before.entry, ValueEntry)
        entry = self.fresh(value=value)
        without = store(self.xa, base, order, entry, failing=failing)
        self.roomy |= bool(without)
        if before is not None and before.order > order:
            self.put(before._replace(entry=entry))  # storing into a larger entry changes all of it
        else:
            marks = frozenset(mark for held in self.within(base, order) for mark in held.marks)
            self.put(Held(entry, base, order, marks))

    @rule(index=INDICES, order=ORDERS)
    def erase(self, index: int, order: int) -> None:
        base = index >> order << order
        store(self.xa, base, order, None)
        for held in self.within(base, order):
            for inside in range(held.base, held.base + (1 << held.order)):
                self.held.pop(inside, None)
        if not self.held:
            assert self.xa.head is None or self.roomy

    @rule(index=INDICES, old=st.booleans(), erase=st.booleans())
    def cmpxchg(self, index: int, old: bool, erase: bool) -> None:
        held = self.held.get(index)
        expected = held.entry if held is not None and old else Thing("another")
        value = held is not None and isinstance(held.entry, ValueEntry)
        entry = None if erase else self.fresh(value=value)
        found = run(xa_cmpxchg(XaState(self.xa, index), expected, entry), W)
        assert found == (None if held is None else held.entry)
        if held is None or not old:
            return
        for inside in range(held.base, held.base + (1 << held.order)):
            if entry is None:
                del self.held[inside]
            else:
                self.held[inside] = held._replace(entry=entry)

    @rule(index=INDICES, order=ORDERS, value=st.booleans())
    def split(self, index: int, order: int, value: bool) -> None:
        held = self.held.get(index)
        if held is None or held.order <= order:
            return
        xas = XaState(self.xa, held.base, order)
        entry = self.fresh(value=value)
        run(xas_split_alloc(xas, entry, held.order), W)
        if xas.shift + 2 * self.xa.chunk_shift <= held.order:
            assert xas.error == "ENOMEM"  # "no support for splitting really large entries yet"
            return
        self.roomy |= bool(xas.spares)  # a root whose only entry becomes a node stays above it
        run(xas_lock_irq(xas), W)
        run(xas_split(xas, entry, held.order), W)
        run(xas_unlock_irq(xas), W)
        for base in range(held.base, held.base + (1 << held.order), 1 << order):
            self.put(Held(entry, base, order, held.marks))
        assert not xas.spares

    @rule(index=INDICES, order=ORDERS, failing=st.booleans())
    def create_range(self, index: int, order: int, failing: bool) -> None:
        base = index >> order << order
        if order >= 2 * self.xa.chunk_shift and any(held.order for held in self.within(base, order)):
            return  # see xas_create_range()
        xas = XaState(self.xa, base, order)
        while True:
            run(xas_lock_irq(xas), W)
            run(xas_create_range(xas), W, failing=[("xas_create_range", 1)] if failing else ())
            run(xas_unlock_irq(xas), W)
            if not xas.error:
                break
            assert (xas.index, xas.order) == (base, order)
            assert run(xas_nomem(xas), W)
        run(xas_nomem(xas), W)  # frees what was not used
        self.roomy = True
        assert (xas.index, xas.order) == (base, 0)

    @rule(index=INDICES, mark=MARKS, on=st.booleans())
    def mark(self, index: int, mark: int, on: bool) -> None:
        held = self.held.get(index)
        xas = XaState(self.xa, index)
        run(xas_lock_irq(xas), W)
        if run(xas_load(xas), W) is not None:
            assert held is not None
            run((xas_set_mark if on else xas_clear_mark)(xas, mark), W)
            assert run(xas_get_mark(xas, mark), W) == on
            self.put(held._replace(marks=held.marks | {mark} if on else held.marks - {mark}))
        run(xas_unlock_irq(xas), W)

    @rule(first=INDICES, last=INDICES, pausing=st.booleans(), task=st.sampled_from([R, W]))
    def find(self, first: int, last: int, pausing: bool, task: Any) -> None:
        start = self.held.get(first)
        if pausing and start is not None:
            first = start.base  # from the middle of an entry xas_pause() goes too far, as the kernel's does
        expected = [(start.entry, first)] if start is not None and first <= last else []
        expected += [(held.entry, held.base) for held in self.within(0, 5) if first < held.base <= last]
        xas = XaState(self.xa, first)
        found = []
        run(xas_lock_irq(xas), task)
        while (entry := run(xas_find(xas, last), task)) is not None:
            found.append((entry, xas.index))
            if pausing:
                xas_pause(xas)
                run(xas_unlock_irq(xas), task)
                run(xas_lock_irq(xas), task)
        run(xas_unlock_irq(xas), task)
        assert found == expected

    @rule(first=INDICES, last=INDICES, mark=MARKS)
    def find_marked(self, first: int, last: int, mark: int) -> None:
        xas = XaState(self.xa, first)
        found = []
        run(xas_lock_irq(xas), W)
        while (entry := run(xas_find_marked(xas, last, mark), W)) is not None:
            found.append((entry, xas.index))
        run(xas_unlock_irq(xas), W)
        expected = [
            (held.entry, held.base) for held in self.within(0, 5) if first <= held.base <= last and mark in held.marks
        ]
        start = self.held.get(first)
        if first <= last and start is not None and start.base < first and mark in start.marks:
            # It begins in the middle of an entry, and reports where that begins if a sibling has led there.
            shift = start.order - start.order % self.xa.chunk_shift
            expected.insert(0, (start.entry, start.base if first - start.base >> shift else first))
        assert found == expected

    @rule(first=INDICES)
    def next(self, first: int) -> None:
        held = self.held.get(first)
        first = first if held is None else held.base
        xas = XaState(self.xa, first)
        run(xas_lock_irq(xas), W)
        for index in range(first, NR + 2):
            entry = run(xas_next(xas), W)
            assert xas.index == index
            held = self.held.get(index)
            if isinstance(entry, SiblingEntry):
                assert held is not None
                assert held.base < index
            else:
                assert entry == (None if held is None else held.entry)
        run(xas_unlock_irq(xas), W)

    @rule(index=INDICES, order=ORDERS)
    def conflict(self, index: int, order: int) -> None:
        base = index >> order << order
        xas = XaState(self.xa, base, order)
        found = []
        run(xas_lock_irq(xas), W)
        while (entry := run(xas_find_conflict(xas), W)) is not None:
            found.append(entry)
        run(xas_unlock_irq(xas), W)
        assert found == [held.entry for held in self.within(base, order)]

    @rule(index=INDICES)
    def order(self, index: int) -> None:
        held = self.held.get(index)
        expected = 0 if held is None else held.order
        found = run(xa_get_order(XaState(self.xa, index)), R)
        assert found == expected

    @precondition(lambda self: hasattr(self, "xa"))
    @invariant()
    def same(self) -> None:
        xa = self.xa
        expected = [self.held[index].entry if index in self.held else None for index in range(NR)]
        assert xa.slots == expected
        assert [look(xa, index) for index in range(NR)] == expected
        for index, held in self.held.items():
            assert marks_at(xa, index) == tuple(mark in held.marks for mark in range(3))
        for mark in range(3):
            assert xa_marked(xa, mark) == any(mark in held.marks for held in self.held.values())
        assert not list(misshapen(xa))
        assert self.roomy or not list(wasteful(xa))
        assert xa.nr_spares == 0
        assert (W.atomic, R.atomic) == (0, 0)


def test_the_tree_says_what_a_dictionary_says() -> None:
    run_state_machine_as_test(
        Against, settings=settings(max_examples=60, stateful_step_count=30, deadline=None, database=None)
    )


@pytest.mark.slow
def test_the_tree_says_what_a_dictionary_says_for_a_hundred_thousand_steps() -> None:
    run_state_machine_as_test(
        Against,
        settings=settings(
            max_examples=1000,
            stateful_step_count=100,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
