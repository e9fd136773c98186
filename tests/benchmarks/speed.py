"""Schedules and steps per second: ``python tests/benchmarks/speed.py`` prints two Markdown tables.

First the drivers on one small program without a judge, against a bare loop that sends to the same coroutines: what
the engine costs, in one run, so that the ratios do not depend on the machine.  Then a campaign of the page cache: which
share of its time is spent outside model and promises, by samples of what is running (a profiler that is told of every
call makes small functions look dear); what is not ours counts for whoever of us has called it.  CPU time of this
process throughout.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import FrameType
from typing import Final

import trio

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

from memory import Memory, write  # found by the line above

from fuzz.campaign import schedules
from fuzz.engine import direct, trio_driver
from fuzz.program import Program
from fuzz.search.policies.random_walk import RandomWalk
from fuzz.search.portfolio import Portfolio
from fuzz.subject import Subject
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.step import Task

TASKS: Final = 3
STEPS: Final = 20
SAMPLE_EVERY: Final = 0.001
"""Seconds of CPU time."""

ROOT: Final = Path(__file__).parents[2]


async def writing(memory: Memory) -> None:
    """STEPS steps, none of which blocks."""
    for number in range(STEPS):
        await write(memory, "x", number)


def make() -> Program:
    """TASKS of them."""
    return Program(Memory(x=0), {f"t{number}": [writing] for number in range(TASKS)})


def bare(random: Random) -> None:
    """A random walk without an engine: no readiness, no deviations, no verdict."""
    memory = Memory(x=0)
    tasks = [Task(f"t{number}", number) for number in range(TASKS)]
    routines = [writing(memory) for _ in range(TASKS)]
    for routine in routines:
        routine.send(None)
    alive = list(range(TASKS))
    while alive:
        number = alive[int(random.random() * len(alive))]
        try:
            routines[number].send(tasks[number])
        except StopIteration:
            alive.remove(number)


def with_direct(random: Random) -> None:
    """The direct driver."""
    direct.run(make().execution(), RandomWalk(random))


def with_a_trio_run_each(random: Random) -> None:
    """The trio driver, an event loop for each run."""
    trio_driver.run_alone(make().execution(), RandomWalk(random))


def seconds_each(run: Callable[[Random], None], runs: int) -> float:
    """CPU seconds of a run."""
    random = Random(0)
    began = time.process_time()
    for _ in range(runs):
        run(random)
    return (time.process_time() - began) / runs


def seconds_in_one_loop(runs: int) -> float:
    """CPU seconds of a run with the trio driver, all in one event loop."""

    async def all_of_them() -> None:
        random = Random(0)
        for _ in range(runs):
            await trio_driver.run(make().execution(), RandomWalk(random))

    began = time.process_time()
    trio.run(all_of_them)
    return (time.process_time() - began) / runs


def seconds_in_a_portfolio(runs: int) -> float:
    """CPU seconds of a run of the portfolio: histories, classes and behaviours included."""
    portfolio = Portfolio(lambda: make().execution(record=True), Random(0))
    began = time.process_time()
    for _ in range(runs):
        portfolio.next_run()
    return (time.process_time() - began) / runs


def drivers(runs: int) -> None:
    """The first table."""
    loop = min(seconds_each(bare, runs) for _ in range(3))
    rows = [
        ("bare `send` loop", loop),
        ("direct", min(seconds_each(with_direct, runs) for _ in range(3))),
        ("trio, one event loop", min(seconds_in_one_loop(runs) for _ in range(3))),
        ("trio, an event loop each", min(seconds_each(with_a_trio_run_each, runs // 4) for _ in range(3))),
        ("direct, with the portfolio", min(seconds_in_a_portfolio(runs) for _ in range(3))),
    ]
    print(f"{TASKS} tasks of {STEPS} steps, a random walk, no judge:\n")
    print("| Driver | Schedules per second | Steps per second | Times the loop |\n|---|---:|---:|---:|")
    for name, seconds in rows:
        print(f"| {name} | {1 / seconds:,.0f} | {TASKS * STEPS / seconds:,.0f} | {seconds / loop:.1f} |", flush=True)


def search(count: int) -> None:
    """So many schedules of a campaign, without shrinking."""
    made = (run for _, run in schedules(Subject(LINUX_2026_MENDED), Random(0)) if run is not None)
    for _ in zip(range(count), made, strict=False):
        pass


def shares(count: int) -> None:
    """The second table."""
    seen: Counter[str] = Counter()

    def look(_: int, frame: FrameType | None) -> None:
        while frame is not None and not room(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is not None:
            seen[room(frame.f_code.co_filename)] += 1

    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_EVERY, SAMPLE_EVERY)
    began = time.process_time()
    search(count)
    seconds = time.process_time() - began
    signal.setitimer(signal.ITIMER_PROF, 0)
    print(f"\nA campaign of {count:,} schedules, {count / seconds:,.0f} per second; {seen.total():,} samples:\n")
    print("| Where | Share |\n|---|---:|")
    for name, samples in seen.most_common():
        print(f"| {name} | {samples / seen.total():.0%} |")


def room(file: str) -> str:
    """To which part a function belongs; what is not ours belongs to none."""
    path = Path(file)
    if not path.is_relative_to(ROOT):
        return ""
    parts = path.relative_to(ROOT).parts
    return "promises" if parts[:2] == ("pagecache", "promises") else parts[0]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--schedules", type=int, default=10_000)
    arguments = parser.parse_args()
    drivers(arguments.runs)
    shares(arguments.schedules)


if __name__ == "__main__":
    main()
