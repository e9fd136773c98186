"""Text to entry, strictly: an entry that could be misunderstood is an error that names the line.

Nothing is skipped and nothing is guessed.  A fuzzer that silently drops the tests it cannot read
reports success for what it did not do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fuzz.corpus.entry import FORMAT, LEFT_OUT, VERDICTS, Entry, Found
from fuzz.corpus.toml_table import Table, parse
from fuzz.engine.verdict import Outcome
from pagecache.operations import OPERATIONS_BY_NAME, Operation
from pagecache.world import BACKINGS, VmaSpec, WorldSpec
from strategies.case import Case, Deviation, Failure, Program, TaskSpec

__all__ = ["Vocabulary", "read_entry", "read_parts"]

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
"""A task's name: one word, because the history is written as ``name call(...)``."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The names an entry may use: of kernels, and of promises (those of the engine included)."""

    kernels: Sequence[str]
    promises: Sequence[str]


def read_entry(name: str, file: str, data: bytes, words: Vocabulary) -> Entry:
    """An entry from the content of its file.

    Args:
        name: of the entry, the file's stem.
        file: its path as messages show it.
        data: its content.
        words: the kernels and promises that exist.

    Raises:
        EntryError: if anything is wrong; it names file, line, value and remedy.
    """
    top = parse(file, data)
    version = top.take("format", int)
    if version != FORMAT:
        raise top.error(
            "format", f"format is {version}, but this program reads {FORMAT}; use the version that wrote it"
        )
    kernel = top.take_word("kernel", words.kernels, "a known kernel; give its file with --kernel, or rename it")
    outcome = Outcome(top.take_word("verdict", [verdict.value for verdict in VERDICTS], "a verdict"))
    broken = _broken(top, outcome, words)
    minimal = top.take("minimal", str) if "minimal" in top else ""
    found = _found(top.take_table("found")) if "found" in top else None
    world, program, failures = read_parts(top)
    names = [task.name for task in Case(kernel, world, program).tasks]
    schedule = tuple(_deviation(table, names) for table in top.take_tables("deviation"))
    steps = _steps(top.take_table("expect"), names)
    top.done()
    return Entry(
        name=name,
        case=Case(kernel, world, program, schedule, failures),
        outcome=outcome,
        broken=broken,
        steps=steps,
        minimal=minimal,
        found=found,
        head=_head(top.document.text),
    )


def read_parts(top: Table) -> tuple[WorldSpec, Program, tuple[Failure, ...]]:
    """What runs where, and which calls fail.

    Raises:
        EntryError: if anything is wrong.
    """
    world = _world(top.take_table("world"))
    program = _program(top, world)
    names = [task.name for task in program.tasks]
    return world, program, tuple(_failure(table, names) for table in top.take_tables("failure"))


def _head(text: str) -> str:
    """The comment at the top, up to the first line that is none."""
    lines = []
    for line in text.split("\n"):
        if line and not line.startswith("#"):
            break
        lines.append(line)
    return "\n".join(lines).strip("\n")


def _broken(top: Table, outcome: Outcome, words: Vocabulary) -> str:
    broken = top.take("broken", str)
    if outcome is Outcome.HELD:
        if broken:
            raise top.error("broken", f'broken is {broken!r} although the verdict is held; make it ""')
        return broken
    if not broken:
        raise top.error("broken", f"broken is empty although the verdict is {outcome.value}; name the promise")
    return top.take_word("broken", words.promises, "a promise")


def _found(table: Table) -> Found:
    found = table.take_record(Found)
    for key, value in (("seed", found.seed), ("schedules", found.schedules)):
        if value < 0:
            raise table.error(key, f"{key} is {value}; make it 0 or more")
    return found


def _world(table: Table) -> WorldSpec:
    vmas = tuple(vma.take_record(VmaSpec) for vma in table.take_tables("vma"))
    large = table.take_pairs("large") if "large" in table else ()
    backing = table.take_word("backing", BACKINGS, "a backing") if "backing" in table else BACKINGS[0]
    return table.take_record(WorldSpec, optional=("huge", "store_buffers"), vmas=vmas, large=large, backing=backing)


def _program(top: Table, world: WorldSpec) -> Program:
    tasks: list[TaskSpec] = []
    for table in top.take_tables("task"):
        name = table.take("name", str)
        if not _NAME.fullmatch(name):
            raise table.error("name", f"name is {name!r}; make it one word of letters, digits, '_', '-' and '.'")
        if name in [task.name for task in tasks]:
            raise table.error("name", f"there are two tasks {name!r}; rename one of them")
        operations = tuple(_operation(operation, world) for operation in table.take_tables("ops"))
        if not operations:
            raise table.error("ops", f"task {name!r} does nothing; give it 'ops = [{{ op = ... }}]' or remove it")
        table.done()
        tasks.append(TaskSpec(name, operations))
    if not tasks:
        raise top.error("task", "there is no task; add [[task]] with 'name' and 'ops'")
    return Program(tuple(tasks))


def _operation(table: Table, world: WorldSpec) -> Operation:
    name = table.take_word("op", OPERATIONS_BY_NAME, "an operation")
    operation = table.take_record(OPERATIONS_BY_NAME[name], optional=LEFT_OUT)
    problem = operation.problem(world)
    if problem:
        raise table.error("op", f"{operation}: {problem}")
    return operation


def _deviation(table: Table, names: list[str]) -> Deviation:
    table.take_word("run", names, "a task of this entry")
    deviation = table.take_record(Deviation)
    _check_anchor(table, deviation, names)
    if deviation.run == deviation.task:
        raise table.error("run", f"run is {deviation.run!r}, the task that would run anyway; name another one")
    return deviation


def _failure(table: Table, names: list[str]) -> Failure:
    failure = table.take_record(Failure)
    _check_anchor(table, failure, names)
    return failure


def _check_anchor(table: Table, anchor: Deviation | Failure, names: list[str]) -> None:
    table.take_word("task", names, "a task of this entry")
    if not anchor.at.isidentifier():
        raise table.error("at", f"at is {anchor.at!r}; make it the name of a call, for example 'xas_store'")
    if anchor.visit < 1:
        raise table.error("visit", f"visit is {anchor.visit}; it counts from 1")


def _steps(table: Table, names: list[str]) -> tuple[str, ...]:
    steps = table.take_list("steps", str)
    table.done()
    for number, step in enumerate(steps):
        task, _, what = step.partition(" ")
        if task not in names or not what:
            problem = f"step {number + 1} is {step!r}; begin it with a task ({', '.join(names)}), then the call"
            raise table.document.error((*table.path, "steps", number), problem)
    return steps
