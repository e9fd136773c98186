from __future__ import annotations

from stepping import Hand

from pagecache.folio import Folio, Memory
from pagecache.step import KernelBug, Oops, Step, Task, UseAfterFree, step


async def two_steps(log: list[str]) -> str:
    log.append("before")
    current = await step("first", 1, target=("slot", 1))
    log.append(f"first by {current}")
    await step("second")
    return "done"


def test_a_step_takes_effect_when_it_is_resumed_and_not_when_it_is_announced() -> None:
    log: list[str] = []
    hand = Hand(two_steps(log))

    assert log == ["before"]
    assert str(hand.pending) == "first(1)"

    hand.step()

    assert log == ["before", "first by K"]
    assert str(hand.pending) == "second()"


def test_the_result_comes_with_the_effect_of_the_last_step() -> None:
    hand = Hand(two_steps([]))

    assert hand.finish() == "done"
    assert hand.steps == ["first(1)", "second()"]
    assert hand.pending is None


def test_a_step_is_shown_with_its_arguments_as_they_are_named() -> None:
    folio = Memory().new_folio(1)

    assert str(Step("xas_store", 0, folio)) == "xas_store(0, H0)"
    assert repr(Step("rcu_read_lock")) == "rcu_read_lock()"


def test_a_step_without_further_words_is_invisible_always_ready_and_cannot_fail() -> None:
    plain = Step("rcu_read_lock")

    assert plain.target is None
    assert plain.ready is None
    assert (plain.writes, plain.sleeps, plain.spins) == (False, False, False)
    assert plain.fails == ""


def test_a_task_is_shown_by_its_name() -> None:
    assert str(Task("khugepaged", 0)) == "khugepaged"
    assert repr(Task("khugepaged", 0)) == "Task('khugepaged', 0)"


def test_what_the_kernel_dies_of_is_a_kernel_bug() -> None:
    assert issubclass(UseAfterFree, KernelBug)
    assert issubclass(Oops, KernelBug)


def test_a_small_folio_and_a_huge_one_are_told_apart_by_their_names() -> None:
    memory = Memory()
    folios: list[Folio] = [memory.new_folio(0), memory.new_folio(2)]

    assert [str(folio) for folio in folios] == ["F0", "H1"]
