"""How small failures get, and at what cost, as a Markdown table.

    python tests/benchmarks/shrinking.py [--failures N] [--seed S]

Failures are found by every policy in turn: of the reference programs, whose schedule is all that can be shrunk, and of
kernels, where world, program and schedule are.  Proved minimal means that all schedules of what is left with fewer
deviations were exhausted.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from fuzz.engine import direct
from fuzz.engine.execution import Execution
from fuzz.engine.run import Run
from fuzz.search.draws import RandomDraw
from fuzz.search.explore import deviation_bounded
from fuzz.search.policies import POLICIES
from fuzz.search.policies.canonical import Canonical
from fuzz.search.policies.profile import Profile
from fuzz.subject import Subject
from pagecache.kernels import KERNELS_BY_NAME
from strategies.case import Case
from strategies.cases import swarmed

sys.path.insert(0, str(Path(__file__).parent.parent / "engine"))
from reference_programs import REFERENCE_PROGRAMS

KERNELS: Final = ("linux-6.2", "stevens-v2", "wilcox-2023-02", "stevens-v5")
TRIES_MAX: Final = 2_000  # runs of one program by one policy: some policies never find some bugs
RUNS_MAX: Final = 20_000  # of one search for fewer deviations


class Shrinking(NamedTuple):
    """One failure.

    Args:
        before: how many deviations it had.
        after: how many are left.
        proved: no schedule with fewer fails.
        runs: how many that took.
    """

    before: int
    after: int
    proved: bool
    runs: int


def failing_runs(make: Callable[[bool], Execution], random: Random) -> Iterator[Run]:
    """One failure of each policy that finds one."""
    sequential = direct.run(execution := make(True), Canonical(execution))
    assert sequential.history is not None
    profile = Profile.of(sequential.history)
    for policy in POLICIES.values():
        for _ in range(TRIES_MAX):
            execution = make(False)
            run = direct.run(execution, policy(execution, random, profile))
            if run.verdict.failed:
                yield run
                break


def of_reference_program(name: str, random: Random) -> Iterator[Shrinking]:
    """The fewest deviations are searched for from nought: what is found is proved."""
    make = REFERENCE_PROGRAMS[name]
    for run in failing_runs(lambda record: make().execution(record=record), random):
        before = len(run.deviations)
        fewest = deviation_bounded(lambda: make().execution(), before, RUNS_MAX, signature=run.verdict.signature)
        after = len(fewest.failure.deviations) if fewest.failure else before
        yield Shrinking(before, after, fewest.failure is not None, sum(fewest.runs))


def of_kernel(name: str, random: Random) -> Iterator[Shrinking]:
    """Programs are drawn until one fails; everything is shrunk."""
    subject = Subject(KERNELS_BY_NAME[name])
    while True:
        case = swarmed(RandomDraw(random), name)
        for run in failing_runs(_maker(subject, case), random):
            failing = dataclasses.replace(case, schedule=run.deviations)
            shrunk = subject.shrink(failing)
            yield Shrinking(len(run.deviations), len(shrunk.case.schedule), shrunk.certificate.complete, shrunk.calls)


def _maker(subject: Subject, case: Case) -> Callable[[bool], Execution]:
    return lambda record: subject.execution(case, record=record)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--failures", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random = Random(arguments.seed)
    small = [name for name in REFERENCE_PROGRAMS if not name.endswith(("50", "100"))]
    rows: dict[str, list[Shrinking]] = defaultdict(list)
    half = arguments.failures // 2
    sources = {kernel: of_kernel(kernel, random) for kernel in KERNELS}
    while sum(map(len, rows.values())) < half:
        for kernel in KERNELS:
            rows[kernel].append(next(sources[kernel]))
    while sum(map(len, rows.values())) < arguments.failures:
        for name in small:
            rows[name] += of_reference_program(name, random)
    print("| Program | Failures | Deviations: before, after | Proved | Runs: median, most |\n|---|---:|---|---:|---:|")
    for name, row in [*rows.items(), ("all", [one for every in rows.values() for one in every])]:
        before, after = (statistics.mean(column) for column in list(zip(*row, strict=True))[:2])
        runs = [one.runs for one in row]
        proved = sum(one.proved for one in row)
        print(
            f"| {name} | {len(row)} | {before:.1f}, {after:.1f} | {proved} | "
            f"{statistics.median(runs):,.0f}, {max(runs):,} |"
        )


if __name__ == "__main__":
    main()
