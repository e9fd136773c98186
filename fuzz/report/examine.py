"""Run one case and look closely: the history is kept, and the state after each event."""

from __future__ import annotations

from dataclasses import dataclass

from fuzz.engine.history import History
from fuzz.engine.run import Run
from fuzz.engine.verdict import Verdict
from fuzz.errors import HarnessError
from fuzz.report.explanation import Explanation, explain
from fuzz.report.snapshot import Snapshot, recorder
from fuzz.subject import Subject
from pagecache.kernel import Kernel
from pagecache.promises import judged
from strategies.case import Case

__all__ = ["Examined", "examine", "explained", "subject_of"]


@dataclass(frozen=True, slots=True)
class Examined:
    """A case, its run, and the states it went through (before the first event and after each)."""

    case: Case
    run: Run
    snapshots: list[Snapshot]

    @property
    def verdict(self) -> Verdict:
        """What the run means."""
        return self.run.verdict

    @property
    def history(self) -> History:
        """What happened.

        Raises:
            HarnessError: if the reference driver recorded nothing.
        """
        if self.run.history is None:
            raise HarnessError(f"the run of {self.case.program} has no history; the reference driver must record it")
        return self.run.history


def subject_of(kernel: Kernel, promise: str = "") -> Subject:
    """``kernel``, judged by the default promises and by ``promise``, which may be an alternative reading."""
    return Subject(kernel, judged(also=(promise,)))


def examine(case: Case, kernel: Kernel, promise: str = "") -> Examined:
    """Run ``case`` by the reference driver.

    Args:
        case: its schedule is followed; deviations that are never reached are ignored.
        kernel: what it runs on, whatever ``case.kernel`` says.
        promise: judge this one also if it is not among the defaults.
    """
    promises, recorders = recorder(judged(also=(promise,)))
    run = Subject(kernel, promises).reference(case)
    return Examined(case, run, recorders[0].snapshots)


def explained(case: Case, kernel: Kernel, promise: str = "") -> Explanation | None:
    """Why ``case`` fails, if it does and the order of its steps decides."""
    subject = subject_of(kernel, promise)
    return explain(lambda: subject.execution(case, record=True), case.schedule)
