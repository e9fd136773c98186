"""A proposition: what somebody said about the collapse, as questions that the search can answer.

A question is a program in a world, on some kernels, and a promise: does any schedule break it?  What somebody said
implies an answer, too; that the two agree is what the discussion was about.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from fuzz.questions.variant import Asked
from pagecache.history import EVERY_KERNEL
from pagecache.kernel import Kernel
from pagecache.operations import Operation
from pagecache.promises import PROMISES_BY_NAME
from pagecache.promises.promise import Promise
from pagecache.world import WorldSpec
from strategies.case import Case, Failure
from strategies.programs import named

__all__ = ["Proposition", "Question", "Word"]


class Word(enum.Enum):
    """The answers, in the words of the kernel's litmus tests."""

    SOMETIMES = "Sometimes"
    NEVER = "Never"
    NOT_SEEN = "Not seen"


@dataclass(frozen=True, slots=True)
class Question:
    """Does any schedule of this program break this promise?

    Args:
        asks: what that means, as a question that *Sometimes* and *Never* answer.
        kernels: by name, or variants of one.
        world: in which it runs.
        threads: the operations of each task.
        promise: its name, or one that nobody gave (see :mod:`fuzz.questions.windows`).
        expected: the answer that the table expects, of every kernel.
        claimed: the answer that the participant's words imply; ``None`` where they said nothing about it.
        deviations: with SOMETIMES, the fewest that break it.
        failures: what fails in the program.
    """

    asks: str
    kernels: tuple[Asked, ...]
    world: WorldSpec
    threads: tuple[tuple[Operation, ...], ...]
    promise: str | Promise
    expected: Word
    claimed: Word | None = None
    deviations: int | None = None
    failures: tuple[Failure, ...] = ()

    def __post_init__(self) -> None:
        if (self.expected is Word.SOMETIMES) != (self.deviations is not None):
            raise ValueError(
                f"{self.asks!r} expects {self.expected.value} with {self.deviations} deviations; "
                "give their number with Sometimes, and only with it"
            )

    @property
    def broken(self) -> str:
        """The promise's name."""
        return self.promise if isinstance(self.promise, str) else self.promise.name

    @property
    def promises(self) -> tuple[Promise, ...]:
        """By what a run is judged; by nothing but the engine if the promise is one of its own."""
        if not isinstance(self.promise, str):
            return (self.promise,)
        return (PROMISES_BY_NAME[self.promise],) if self.promise in PROMISES_BY_NAME else ()

    def case(self, kernel: str) -> Case:
        """The program on a kernel, without a schedule."""
        return Case(kernel, self.world, named(self.threads), (), self.failures)


def kernel_of(asked: Asked) -> Kernel:
    """The kernel of that name, or the variant."""
    return EVERY_KERNEL[asked] if isinstance(asked, str) else asked.kernel()


@dataclass(frozen=True, slots=True)
class Proposition:
    """What somebody said.

    Args:
        number: in the list of propositions.
        who: said it.
        claim: in a sentence.
        questions: what it comes to.
        remark: what the answers mean, where that is not plain.
    """

    number: int
    who: str
    claim: str
    questions: tuple[Question, ...]
    remark: str = ""

    @property
    def name(self) -> str:
        """Like ``P10``."""
        return f"P{self.number}"
