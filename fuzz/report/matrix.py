"""The corpus as a table: each entry asks a question, and every kernel answers it.

An entry was found under one schedule on one kernel.  The answers are about all schedules of its program: *Sometimes*
if one of them breaks the entry's promise, *Never* if all were tried, each state once, and none does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterator, Sequence
from pathlib import Path
from typing import Final

from fuzz.corpus.entry import Entry
from fuzz.corpus.vocabulary import ENGINE_PROMISES
from fuzz.engine.execution import Execution
from fuzz.prose import promise_sentence
from fuzz.report.report import world_facts
from fuzz.search import exhaustive
from fuzz.subject import Subject
from pagecache.kernel import Kernel
from pagecache.promises import PROMISES_BY_NAME
from strategies.case import Case

__all__ = ["BEGIN", "END", "QUESTIONS", "answer", "answers", "matrix", "replaced"]

QUESTIONS: Final = {
    "every_call_is_explained_by_a_sparse_file": "Does user space always see a sparse file, and is nothing lost?",
    "a_page_observed_missing_is_not_filled_without_an_event": (
        "May a page be filled that a userfaultfd's owner knows to be missing?"
    ),
    "a_fault_that_waits_for_user_space_holds_no_lock_and_is_woken": "Is who waits for user space woken?",
    "every_slot_points_to_a_live_folio_that_agrees": "Does every slot point to a folio that is alive and agrees?",
    "nrpages_alloced_and_i_blocks_agree": "Do the counts agree when everybody has finished?",
    "nothing_leaks": "Is nothing left over that nobody points to?",
    "no_task_sleeps_in_atomic_context": "Does nobody sleep with a spinlock held?",
    "no_lookup_spins_on_a_sleeping_task": "Does nobody spin on a task that sleeps?",
    "locks_are_taken_in_order": "Is every lock taken in the order that is written down?",
    "no_plain_access_races": "Is what several tasks access protected by a lock, or marked?",
    "no_deadlock": "Does everybody get on?",
    "no_livelock": "Does every call come to an end?",
    "the_kernel_does_not_oops": "Does every pointer lead somewhere?",
    "no_kernel_assertion_fails": "Does every assertion hold?",
}
"""What an entry with this promise asks; other promises ask for themselves."""

BEGIN: Final = "<!-- begin: pagecache-fuzz matrix -->"
END: Final = "<!-- end -->"

SOMETIMES: Final = "Sometimes"
NEVER: Final = "Never"


def answer(entry: Entry, kernel: Kernel) -> str:
    """*Sometimes*, *Never*, or why there is no answer."""
    promises = [PROMISES_BY_NAME[entry.broken]] if entry.broken not in ENGINE_PROMISES else []
    subject = Subject(kernel, promises)
    case = dataclasses.replace(entry.case, schedule=())
    wanted = (entry.outcome.value, entry.broken)
    # A run that ends in another way, by an assertion say, ends there; the others go on until one ends like the entry.
    seen: set[Hashable] = set()

    def outcome(execution: Execution) -> Hashable:
        assert execution.verdict is not None
        seen.add(execution.verdict.signature)
        return execution.verdict.signature

    done = exhaustive.search(
        lambda: subject.execution(case), outcome=outcome, stop_at_failure=False, out_of_time=lambda: wanted in seen
    )
    if wanted in done.outcomes:
        return SOMETIMES
    return NEVER if done.exhausted else f"not seen ({done.limit})"


def answers(
    entries: Sequence[Entry], kernels: Sequence[Kernel], progress: Callable[[str], None] = lambda _: None
) -> list[list[str]]:
    """For each entry the answer of each kernel; entries that ask the same are asked once."""
    asked: dict[tuple[Case, str, str], str] = {}
    table = []
    for entry in entries:
        row = []
        for kernel in kernels:
            key = (dataclasses.replace(entry.case, kernel="", schedule=()), entry.broken, kernel.name)
            if key not in asked:
                progress(f"{entry.name}: {kernel.name}")
                asked[key] = answer(entry, kernel)
            row.append(asked[key])
        table.append(row)
    return table


def matrix(entries: Sequence[Entry], kernels: Sequence[Kernel], table: Sequence[Sequence[str]]) -> str:
    """The table as Markdown, a section for each question."""
    return "\n".join([BEGIN, "", *_sections(entries, kernels, table), END])


def _sections(entries: Sequence[Entry], kernels: Sequence[Kernel], table: Sequence[Sequence[str]]) -> Iterator[str]:
    order = list(dict.fromkeys([*QUESTIONS, *(entry.broken for entry in entries)]))
    for promise in order:
        rows = [(entry, row) for entry, row in zip(entries, table, strict=True) if entry.broken == promise]
        if not rows:
            continue
        yield f"### {QUESTIONS.get(promise, promise_sentence(promise))}"
        yield ""
        yield f"`{promise}`"
        yield ""
        for entry, row in rows:
            yield f"[{entry.case.program}]({entry.name}.toml), found on {entry.case.kernel}."
            yield f"World: {'; '.join(' '.join(fact) for fact in world_facts(entry.case.world))}."
            for word in dict.fromkeys((SOMETIMES, NEVER, *row)):
                names = [kernel.name for kernel, said in zip(kernels, row, strict=True) if said == word]
                if names:
                    yield f"*{word}* under {', '.join(names)}."
            yield ""


def replaced(text: str, table: str, path: Path) -> str:
    """``text`` with its table replaced.

    Raises:
        ValueError: if it has none.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path}: there is no place for the table; put a line '{BEGIN}' and a line '{END}' into it")
    return f"{before}{table}{after}"
