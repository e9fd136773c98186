"""A corpus entry: a case with its expected history, and what a person wants to know about it.

An entry is a litmus test.  Its name is the broken promise and what each task does
(``data_is_never_reported_as_a_hole+collapse+seekdata``), its head says the result and why.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from fuzz.engine.history import History
from fuzz.engine.verdict import Outcome, Verdict
from fuzz.prose import fill, promise_sentence
from strategies.case import Case

__all__ = ["FORMAT", "LEFT_OUT", "NAME_MAX", "VERDICTS", "Entry", "Found", "entry_name", "head_comment"]

FORMAT: Final = 1
"""The version of the file format; raised when an old entry would be misread."""

NAME_MAX: Final = 160  # characters; file systems end at 255, and a number and a suffix still come
HEAD_WIDTH: Final = 96  # columns of the comment: a mail quotes it once without a break

LEFT_OUT: Final = ("mode",)
"""Fields of operations that are only written if they have another value than usual; others if they are not nought."""

VERDICTS: Final = (Outcome.HELD, Outcome.VIOLATED, Outcome.DEADLOCK, Outcome.LIVELOCK)
"""What an entry can say; UNKNOWN is no finding."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where an entry comes from.

    Args:
        seed: of the campaign.
        schedules: how many it had run when it found this.
    """

    seed: int
    schedules: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the corpus.

    Args:
        name: the file's stem.
        case: the kernel on which it was found, the world, the program, the schedule and the failures.
        outcome: the verdict's word, one of :data:`VERDICTS`.
        broken: the name of the broken promise; empty if all held.
        steps: the lines of the history (:meth:`fuzz.engine.history.History.lines`).
        minimal: how minimal it is, as a sentence; empty if nobody looked.
        found: where it comes from; ``None`` if a person wrote it.
        head: the comment at the top, with its ``#``.  Not part of what the entry means.
    """

    name: str
    case: Case
    outcome: Outcome
    broken: str = ""
    steps: tuple[str, ...] = ()
    minimal: str = ""
    found: Found | None = None
    head: str = field(default="", compare=False)

    @classmethod
    def of(cls, case: Case, history: History, verdict: Verdict, minimal: str = "", found: Found | None = None) -> Entry:
        """An entry about a failing run, with the name and the head that it tells of itself."""
        name = entry_name(case, verdict.promise)
        why = verdict.sentence  # a deadlock's table says it all
        if verdict.outcome is Outcome.VIOLATED:
            why = f"{promise_sentence(verdict.promise)}\n{why}"
        return cls(
            name=name,
            case=case,
            outcome=verdict.outcome,
            broken=verdict.promise,
            steps=tuple(history.lines()),
            minimal=minimal,
            found=found,
            head=head_comment(name, f"Sometimes under {case.kernel}", why),
        )

    def same_test(self, other: Entry) -> bool:
        """Is it the same case with the same result, whatever its name and story?"""
        return (self.case, self.outcome, self.broken) == (other.case, other.outcome, other.broken)

    def renamed(self, name: str) -> Entry:
        """This entry as the file ``name``; its head follows."""
        first, newline, rest = self.head.partition("\n")
        head = f"# {name}{newline}{rest}" if first == f"# {self.name}" else self.head
        return replace(self, name=name, head=head)


def entry_name(case: Case, promise: str) -> str:
    """Promise and operations, as a file's stem: the tasks joined by ``+``, the operations of a task by ``-``."""
    tasks = ["-".join(type(operation).__name__.lower() for operation in task.operations) for task in case.program.tasks]
    return "+".join([promise or "held", *tasks])[:NAME_MAX]


def head_comment(name: str, result: str, why: str) -> str:
    """The head of a new entry: its name, the ``Result:`` line, and why in a sentence or two.

    An indented line of ``why``, as in a wait-for table, is left as it is.
    """
    lines = [name, "", f"Result: {result}", ""]
    lines += fill(why, HEAD_WIDTH)
    return "\n".join(f"# {_printable(line)}".rstrip() for line in lines).removesuffix("\n#")


def _printable(text: str) -> str:
    """TOML allows no control characters in a comment."""
    return "".join(character if character.isprintable() else " " for character in text)
