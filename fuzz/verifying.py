"""``fuzz.verify``: all schedules of a program of one's own.

::

    proof = fuzz.verify(make)
    assert proof.never, proof

See :mod:`fuzz.program` for ``make``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fuzz.engine import direct
from fuzz.engine.history import History
from fuzz.engine.verdict import Verdict
from fuzz.errors import HarnessError
from fuzz.program import Program
from fuzz.report.explanation import Explanation, explain
from fuzz.report.report import program_text
from fuzz.search.policies.canonical import Canonical
from fuzz.search.proof import Bound, effort_of, prove
from fuzz.shrinking.certificate import how_minimal
from strategies.case import Deviation

__all__ = ["Counterexample", "Verified", "verify"]


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A schedule that fails.

    Args:
        schedule: where it leaves the order in which each task runs until it blocks or ends.
        history: what happened.
        verdict: what that means.
        shortest: no schedule with fewer deviations fails.
        why: what it depends on, if the order of the steps decides.
    """

    schedule: tuple[Deviation, ...]
    history: History
    verdict: Verdict
    shortest: bool
    why: Explanation | None

    def __str__(self) -> str:
        minimal = how_minimal(len(self.schedule), proved=self.shortest)
        return program_text(self.history, self.verdict, self.schedule, self.why, minimal)


@dataclass(frozen=True, slots=True)
class Verified:
    """The answer; ``str()`` of it is what a person reads.

    Args:
        never: no schedule fails: all of the ``bound`` were tried.
        bound: which were asked for, in words.
        runs: how many times the program was started.
        states: how many states with a choice there are; 0 if they were not told apart.
        classes: how many classes of schedules there are, which differ in more than the order of independent steps;
            0 if they were not counted.
        counterexample: a schedule that fails, if one does.
        limit: why not all were tried; empty if they were, or one failed.
    """

    never: bool
    bound: str
    runs: int
    states: int
    classes: int
    counterexample: Counterexample | None
    limit: str

    def __str__(self) -> str:
        effort = effort_of(self.runs, states=self.states or None, classes=self.classes or None)
        if self.counterexample is not None:
            return f"{self.counterexample}\n\nFound after {effort}."
        if self.never:
            return f"Never: {self.bound} are exhausted ({effort})."
        return f"Not seen in {effort}; not exhausted: {self.limit}."


def verify(
    make: Callable[[], Program],
    *,
    classes: bool = False,
    deviations: int | None = None,
    preemptions: int | None = None,
) -> Verified:
    """Try all schedules of a program.

    By default each state once; then all that the tasks and the shared state consist of must be plain data, so that
    states can be compared.  With ``classes`` one schedule of each class; then the steps must name all that they
    touch, and no watcher may look at the state between two steps.

    Args:
        make: a fresh program for each run, always the same.
        classes: do not tell states apart.
        deviations: only schedules with at most so many deviations from the order in which each task runs until it
            blocks or ends.
        preemptions: only schedules that interrupt a task so often.

    Raises:
        ValueError: if more than one of the three is given, or a watcher forbids ``classes``.
        FingerprintError: if a state cannot be described; the message names what and the remedy.
        TypeError: with ``classes``, if the target of a step has no hash.
    """
    if sum((classes, deviations is not None, preemptions is not None)) > 1:
        raise ValueError("classes, deviations and preemptions exclude each other; give one")
    looking = [name for name, watcher in make().watchers if not watcher.sees_classes]
    if classes and looking:
        raise ValueError(
            f"the watcher of {looking[0]} looks at the state between two steps, of which classes=True shows one order "
            "only; leave classes out, or let it override neither before() nor after()"
        )
    proof = prove(lambda: make().execution(), Bound(classes, deviations, preemptions))
    counterexample = None
    if proof.failure is not None:
        schedule = proof.failure.deviations
        execution = make().execution(record=True)
        run = direct.run(execution, Canonical(execution, schedule))
        if run.history is None or run.verdict.signature != proof.failure.verdict.signature:
            raise HarnessError(f"run twice, {schedule} gave {proof.failure.verdict}, then {run.verdict}")
        why = explain(lambda: make().execution(record=True), schedule)
        counterexample = Counterexample(schedule, run.history, run.verdict, proof.shortest, why)
    return Verified(
        proof.exhausted and counterexample is None,
        str(proof.bound),
        proof.runs,
        proof.states,
        proof.classes,
        counterexample,
        proof.limit,
    )
