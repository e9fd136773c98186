"""An engine in fifty lines, with the scheduling of the real one and no kernel: operations are lists of calls.

A Collapse makes the calls lock, store, store, unlock; every other operation looks twice.  A bug is a predicate on the
trace: the lines "task operation call" in the order in which they happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from fuzz.engine.verdict import HELD, Outcome, Verdict
from pagecache.operations import Collapse, Operation
from strategies.case import Case, Deviation

BROKEN = Verdict(Outcome.VIOLATED, "the_toy_works", "it does not")

Trace = list[tuple[Operation, str]]
Point = tuple[int, Deviation]


def calls(operation: Operation) -> tuple[str, ...]:
    return ("lock", "store", "store", "unlock") if isinstance(operation, Collapse) else ("look", "look")


@dataclass
class ToyEngine:
    bug: Callable[[Trace], bool]
    runs: int = 0

    def run(self, case: Case) -> tuple[Trace, list[Deviation], list[Point]]:
        """The trace, the deviations that were used, and each deviation that was possible, with its place."""
        self.runs += 1
        left = {
            task.name: [(one, call) for one in task.operations for call in calls(one)] for task in case.program.tasks
        }
        visits: Counter[tuple[str, str]] = Counter()
        announced = dict.fromkeys(left, 0)
        unused = list(case.schedule)
        trace: Trace = []
        used: list[Deviation] = []
        points: list[Point] = []

        def announce(name: str) -> None:
            if left[name]:
                visits[name, left[name][0][1]] += 1
                announced[name] = visits[name, left[name][0][1]]

        for name in left:
            announce(name)
        current = ""
        while any(left.values()):
            current = current if current and left[current] else next(name for name in left if left[name])
            others = [Deviation(current, left[current][0][1], announced[current], name) for name in left if left[name]]
            possible = [one for one in others if one.run != current]
            points += [(len(trace), one) for one in possible]
            chosen = next((one for one in unused if one in possible), None)
            if chosen:
                unused.remove(chosen)
                used.append(chosen)
                current = chosen.run
            trace.append(left[current].pop(0))
            announce(current)
        return trace, used, points

    def judge(self, case: Case) -> Verdict:
        return BROKEN if self.bug(self.run(case)[0]) else HELD

    def record(self, case: Case) -> Case:
        return replace(case, schedule=tuple(self.run(case)[1]))

    def search(self, case: Case, bound: int) -> tuple[Case | None, int]:
        before = self.runs
        found = self._extend(replace(case, schedule=()), -1, bound)
        return found, self.runs - before

    def _extend(self, case: Case, last: int, bound: int) -> Case | None:
        trace, _, points = self.run(case)
        if self.bug(trace):
            return case
        if bound == 0:
            return None
        for place, deviation in points:
            if place > last:
                found = self._extend(replace(case, schedule=(*case.schedule, deviation)), place, bound - 1)
                if found:
                    return found
        return None
