"""Ask: all schedules with few deviations, fewest first, and all schedules, each state once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fuzz.engine.run import Run
from fuzz.prose import count
from fuzz.questions.question import Question, Word, kernel_of
from fuzz.questions.variant import Asked
from fuzz.search import exhaustive
from fuzz.search.explore import deviation_bounded
from fuzz.subject import Subject
from strategies.case import Case, Deviation

__all__ = ["Answer", "ask"]

DEVIATIONS_MAX: Final = 3
RUNS_MAX: Final = 20_000
STATES_MAX: Final = 200_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What the search says.

    Args:
        kernel: who was asked.
        case: the program; with SOMETIMES, under a schedule that breaks the promise with as few deviations as possible.
        word: the answer.
        runs: how often the program was run.
        states: how many states were met; with NEVER, these are all there are.
        limit: with NOT_SEEN, why not all schedules were tried.
    """

    kernel: str
    case: Case
    word: Word
    runs: int
    states: int = 0
    limit: str = ""

    @property
    def deviations(self) -> tuple[Deviation, ...]:
        """The schedule that breaks the promise."""
        return self.case.schedule

    def __str__(self) -> str:
        if self.word is Word.SOMETIMES:
            return f"{self.word.value} ({count(len(self.deviations), 'deviation')})"
        if self.word is Word.NEVER:
            return f"{self.word.value} ({self.states:,} states exhausted)"
        return f"{self.word.value} in {count(self.runs, 'run')} ({self.limit})"


def ask(question: Question, asked: Asked, progress: Callable[[str], None] = lambda _: None) -> Answer:
    """Ask one kernel; where the answer is expected decides only where the search begins."""
    kernel = kernel_of(asked)
    subject, case = Subject(kernel, question.promises), question.case(kernel.name)
    progress(f"{kernel.name}: {case.program}")
    few = _few_deviations(question, subject, case) if question.expected is Word.SOMETIMES else 0
    if isinstance(few, Run):
        return _sometimes(case, few)
    done = exhaustive.search(lambda: subject.execution(case), states_max=STATES_MAX)
    failure = done.failure
    if failure is not None and failure.verdict.promise == question.broken:
        fewer = _few_deviations(question, subject, case)
        return _sometimes(case, fewer if isinstance(fewer, Run) else failure)
    if failure is None and done.exhausted:
        return Answer(kernel.name, case, Word.NEVER, few + done.runs, done.states)
    limit = failure.verdict.promise if failure is not None else done.limit
    return Answer(kernel.name, case, Word.NOT_SEEN, few + done.runs, done.states, limit)


def _few_deviations(question: Question, subject: Subject, case: Case) -> Run | int:
    """The run with the fewest deviations that breaks the promise, or how many runs did not."""
    outcome = {"no_deadlock": "deadlock", "no_livelock": "livelock"}.get(question.broken, "violated")
    signature = (outcome, question.broken)
    bounded = deviation_bounded(lambda: subject.execution(case), DEVIATIONS_MAX, RUNS_MAX, signature=signature)
    if bounded.failure is not None and bounded.failure.verdict.signature == signature:
        return bounded.failure
    return sum(bounded.runs)


def _sometimes(case: Case, run: Run) -> Answer:
    return Answer(case.kernel, dataclasses.replace(case, schedule=run.deviations), Word.SOMETIMES, 1)
