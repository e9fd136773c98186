"""Every program of a stated size, one after the other: what ``verify --all-programs`` does.

A census can be interrupted and goes on from its file, and several processes can share the work: each program has a
number, and a line in the census says what became of it.  The file says of what it is the census; it does not go on
with another kernel, other promises, or another model.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import signal
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import pagecache
import strategies
from fuzz.corpus import atomic
from fuzz.errors import InputError
from fuzz.search.proof import ALL, Bound, prove
from fuzz.subject import Subject
from pagecache.kernel import Kernel
from pagecache.world import WorldSpec
from strategies.case import Case, Program
from strategies.enumeration import WORLDS, every_program, without_an_operation

__all__ = ["Census", "FailingAlike", "Line", "programs_of_census", "world_name"]

SAVE_EVERY: Final = 10.0  # seconds: what an interruption may cost
FORMAT: Final = 1

Signature = tuple[str, str]


class Line(NamedTuple):
    """What became of one program.

    Args:
        states: how many states it has.
        runs: how many times it was started.
        classes: how many classes of schedules it has, if those were counted.
        failures: the signatures of all verdicts that were no pass.
        limit: why its schedules were not exhausted; empty if they were.
    """

    states: int
    runs: int
    classes: int
    failures: tuple[Signature, ...]
    limit: str


class FailingAlike(NamedTuple):
    """Programs that fail in the same way, and of which no smaller one does.

    Args:
        signature: of the verdict.
        shape: the operations, without their arguments.
        programs: how many there are.
        case: the first of them.
    """

    signature: Signature
    shape: str
    programs: int
    case: Case


def world_name(world: WorldSpec) -> str:
    """How the lists of a census name one of the WORLDS, for example "data hole; registered"."""
    return f"{' '.join(world.pages)}{'; registered' if world.vmas[0].missing else ''}"


def programs_of_census(
    kernel: str, tasks_max: int = 3, operations_max: int = 3, worlds: Collection[str] = ()
) -> list[Case]:
    """All programs in these worlds (by default in all), by their numbers; those of fewer are a census of their own."""
    return [
        Case(kernel, world, program)
        for world in WORLDS
        if not worlds or world_name(world) in worlds
        for program in every_program(world)
        if len(program.tasks) <= tasks_max and program.operations <= operations_max
    ]


@dataclass(slots=True)
class Census:
    """How far we are.

    Args:
        subject: the kernel and the promises.
        cases: the programs.
        bound: what is exhausted of each.
        path: the file; ``None`` for none.
        lines: by number, what became of a program.
    """

    subject: Subject
    cases: Sequence[Case]
    bound: Bound = ALL
    path: Path | None = None
    lines: dict[int, Line] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path is not None and self.path.exists():
            self._load(self.path)

    @property
    def complete(self) -> bool:
        """Has every program been looked at?"""
        return len(self.lines) == len(self.cases)

    def total(self, what: str) -> int:
        """The sum of a column."""
        return sum(getattr(line, what) for line in self.lines.values())

    def limits(self) -> list[tuple[Case, str]]:
        """The programs whose schedules were not exhausted, each with the reason."""
        return [(self.cases[number], line.limit) for number, line in sorted(self.lines.items()) if line.limit]

    def take(
        self, *, jobs: int = 1, stop: Callable[[], bool] = lambda: False, progress: Callable[[Census], None]
    ) -> None:
        """Look at all programs that have not been looked at.

        Args:
            jobs: how many processes work.
            stop: asked after each program.
            progress: told after each program.
        """
        left = [number for number in range(len(self.cases)) if number not in self.lines]
        saved = time.monotonic()
        try:
            with ExitStack() as stack:
                for number, line in self._answers(left, jobs, stack):
                    self.lines[number] = line
                    progress(self)
                    if time.monotonic() - saved > SAVE_EVERY:
                        self.save()
                        saved = time.monotonic()
                    if stop():
                        return
        finally:
            self.save()

    def _answers(self, left: list[int], jobs: int, stack: ExitStack) -> Iterator[tuple[int, Line]]:
        if jobs == 1:
            return ((number, look_at(self.subject, self.cases[number], self.bound)) for number in left)
        # Forked, since a kernel of one's own is a module that nobody else can import.
        context = multiprocessing.get_context("fork")
        pool = stack.enter_context(context.Pool(jobs, _begin_work, (self.subject, self.cases, self.bound)))
        return pool.imap_unordered(_work, left)

    def failing(self) -> list[FailingAlike]:
        """The different failures: by signature, and by the shape of the smallest programs that show it."""
        failed: dict[tuple[Any, Program], set[Signature]] = {
            (self.cases[number].world, self.cases[number].program): set(line.failures)
            for number, line in self.lines.items()
            if line.failures
        }
        found: dict[tuple[Signature, str], list[Case]] = {}
        for number, line in sorted(self.lines.items()):
            case = self.cases[number]
            inherited: set[Signature] = set()
            for smaller in without_an_operation(case.program):
                inherited |= failed.get((case.world, smaller), set())
            for signature in line.failures:
                if signature not in inherited:
                    found.setdefault((signature, _shape(case.program)), []).append(case)
        return [FailingAlike(*key, len(cases), cases[0]) for key, cases in sorted(found.items())]

    def save(self) -> None:
        """Write the file, if there is one.

        Raises:
            SaveError: if it cannot be written.
        """
        if self.path is not None:
            lines = {str(number): line for number, line in sorted(self.lines.items())}
            atomic.replace(self.path, json.dumps({"format": FORMAT, "of": self._of(), "programs": lines}))

    def _load(self, path: Path) -> None:
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            of, lines = kept["of"], kept["programs"]
            self.lines = {
                int(number): Line(states, runs, classes, tuple((word, promise) for word, promise in failures), limit)
                for number, (states, runs, classes, failures, limit) in lines.items()
            }
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: cannot be read as the state of a verification ({error}); give another file, or remove it"
            ) from error
        for key, value in self._of().items():
            if of.get(key) != value:
                raise InputError(
                    f"{path}: its {key} is {of.get(key)!r}, but this is {value!r}; give another file with --state"
                )

    def _of(self) -> dict[str, Any]:
        """Of what this is the census."""
        return {
            "kernel": self.subject.kernel.name,
            "promises": [promise.name for promise in self.subject.promises],
            "bound": str(self.bound),
            "list of worlds": [world_name(world) for world, _ in itertools.groupby(case.world for case in self.cases)],
            "number of programs": len(self.cases),
            "model": model_version(self.subject.kernel),
        }


def look_at(subject: Subject, case: Case, bound: Bound) -> Line:
    """All schedules of one program."""
    proof = prove(lambda: subject.execution(case), bound, shortest=False, stop_at_failure=bound.deviations is not None)
    outcomes = proof.outcomes or ({proof.failure.verdict.signature} if proof.failure else set())
    failures = tuple(sorted(one for one in outcomes if isinstance(one, tuple) and one[0] not in ("held", "unknown")))
    return Line(proof.states, proof.runs, proof.classes, failures, proof.limit)


def model_version(kernel: Kernel) -> str:
    """A digest of what decides the answers: the sources of the model, and those of a kernel from a file."""
    digest = hashlib.sha256()
    files = {*_sources(pagecache.__path__), *_sources(strategies.__path__)}
    for function in kernel.functions.values():
        files.add(Path(function.__code__.co_filename))
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _sources(packages: Any) -> Iterator[Path]:
    for directory in packages:
        yield from Path(directory).rglob("*.py")


def _shape(program: Program) -> str:
    return " || ".join("; ".join(type(one).__name__ for one in task.operations) for task in program.tasks)


_shared: list[Any] = []
"""In a process that works for a census: the subject, the programs, the bound."""


def _begin_work(subject: Subject, cases: Sequence[Case], bound: Bound) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever interrupts means the one who hands out the work
    _shared[:] = [subject, cases, bound]


def _work(number: int) -> tuple[int, Line]:
    subject, cases, bound = _shared
    return number, look_at(subject, cases[number], bound)
