"""The answers beside the claims: does what was said agree with what the search says?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fuzz.corpus.entry import Entry
from fuzz.questions.asking import Answer, ask
from fuzz.questions.question import Proposition, Question, Word

__all__ = ["Answered", "Asked", "answered", "entry_of"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the answer of one kernel.

    Args:
        question: what was asked.
        answer: what the search says.
        entry: the file of the corpus that shows it; empty if there is none.
    """

    question: Question
    answer: Answer
    entry: str

    @property
    def expected(self) -> bool:
        """Is the answer the one of the table?"""
        question, answer = self.question, self.answer
        same = answer.word is question.expected
        return same and (question.deviations is None or len(answer.deviations) == question.deviations)

    @property
    def agrees(self) -> bool | None:
        """Does it agree with the claim?  ``None`` if nothing was claimed, or nothing can be said."""
        if self.question.claimed is None or self.answer.word is Word.NOT_SEEN:
            return None
        return self.answer.word is self.question.claimed


@dataclass(frozen=True, slots=True)
class Answered:
    """A proposition with all its answers."""

    proposition: Proposition
    asked: tuple[Asked, ...]

    @property
    def agrees(self) -> str:
        """``yes``, ``no``, ``in part``, or ``no answer``."""
        said = [one.agrees for one in self.asked if one.agrees is not None]
        if not said:
            return "no answer"
        return "yes" if all(said) else "in part" if any(said) else "no"

    @property
    def expected(self) -> bool:
        """Are all answers those of the table?"""
        return all(one.expected for one in self.asked)


def answered(
    propositions: Sequence[Proposition],
    entries: Mapping[str, Entry],
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[Answered]:
    """Ask all questions of each proposition.

    Args:
        propositions: what to ask.
        entries: of the corpus, by file.
        progress: told what is being asked.
    """
    for proposition in propositions:
        asked = []
        for question in proposition.questions:
            for kernel in question.kernels:
                answer = ask(question, kernel, lambda text: progress(f"{proposition.name}: {text}"))  # noqa: B023
                asked.append(Asked(question, answer, entry_of(question, answer, entries)))
        yield Answered(proposition, tuple(asked))


def entry_of(question: Question, answer: Answer, entries: Mapping[str, Entry]) -> str:
    """The entry with this kernel, world, program and promise; empty if none has them."""
    for path, entry in entries.items():
        case = entry.case
        if (case.kernel, case.world, entry.broken) != (answer.kernel, question.world, question.broken):
            continue
        if sorted(repr(task.operations) for task in case.program.tasks) == sorted(map(repr, question.threads)):
            return path
    return ""
