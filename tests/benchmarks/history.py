"""The museum, measured: ``python tests/benchmarks/history.py [BUG ...]`` prints a Markdown table.

Each bug is looked for by the default search in its focus, once for each seed; then the fixed kernel is searched in
the same place, for ten times as many schedules as the bug needed at most, at least 20,000.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Final

from fuzz.museum import SCHEDULES, search
from pagecache.history import HISTORY, HISTORY_BY_NAME, Bug

MOST: Final = 100_000
HEAD: Final = (
    "| Bug | Fix | Schedules to the first violation: median, most | Reproducer: tasks / operations / deviations"
    " | The catalogue's | Seconds | The fixed kernel |\n|---|---|---:|---|---|---:|---|"
)


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one bug.

    Args:
        schedules: by seed, up to the first violation.
        promises: broken, each once.
        size: of the largest reproducer.
        seconds: the median, shrinking included.
        held: schedules of the fixed kernel without a violation; negative: what was seen there is in ``seen``.
        seen: a violation of the fixed kernel.
        missed: seeds that did not find it.
    """

    schedules: list[int]
    promises: list[str]
    size: tuple[int, int, int]
    seconds: float
    held: int
    seen: str
    missed: int


def measure(name: str, seeds: int) -> Row:
    """Search for one bug, and for nothing in the fixed kernel."""
    bug = HISTORY_BY_NAME[name]
    schedules, promises, seconds = [], [], []
    size, missed = (0, 0, 0), 0
    for seed in range(seeds):
        began = time.perf_counter()
        campaign = search(bug, seed, MOST)
        seconds.append(time.perf_counter() - began)
        found = [finding for finding in campaign.findings if finding.shrunk.verdict.promise in bug.breaks]
        if not found:
            missed += 1
            continue
        case = found[0].shrunk.case
        schedules.append(found[0].schedules)
        promises.append(found[0].shrunk.verdict.promise)
        size = max(size, (len(case.program.tasks), case.program.operations, len(case.schedule)))
    most = max(SCHEDULES, 10 * max(schedules, default=0))
    campaign = search(bug, seeds, most, fixed=True)
    seen = campaign.findings[0].shrunk.verdict.sentence if campaign.findings else str(campaign.unknown or "")
    return Row(schedules, sorted(set(promises)), size, statistics.median(seconds), campaign.schedules, seen, missed)


def line(bug: Bug, row: Row) -> str:
    """The row of the table."""
    found = "not found"
    if row.schedules:
        found = f"{statistics.median(row.schedules):,.0f}, {max(row.schedules):,}"
    if row.missed:
        found += f" ({row.missed} seeds without)"
    size = " / ".join(map(str, row.size))
    fixed = f"**{row.seen}**" if row.seen else f"not seen in {row.held:,}"
    name, fix = bug.kernel.name, f"{bug.fix} ({bug.release})"
    return f"| `{name}` | {fix} | {found} | {size} | {bug.minimum} | {row.seconds:.1f} | {fixed} |"


def main() -> int:
    """Measure all, two at a time; exit status 1 if one was not found, or a fixed kernel does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="BUG")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    bugs = [bug for bug in HISTORY if not arguments.names or bug.kernel.name in arguments.names]
    print(HEAD)
    wrong = 0
    with ProcessPoolExecutor(arguments.jobs) as pool:
        rows = pool.map(measure, [bug.kernel.name for bug in bugs], [arguments.seeds] * len(bugs))
        for bug, row in zip(bugs, rows, strict=True):
            print(line(bug, row), flush=True)
            wrong += bool(row.missed or row.seen)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
