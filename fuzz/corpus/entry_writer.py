"""An entry as text: always the same text for the same entry, laid out to be read and edited.

The top of the file says what it is and what came out, then come the world, the tasks, the schedule and
at the end, one step per line, what happened.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from fuzz.corpus.entry import FORMAT, LEFT_OUT, Entry
from fuzz.corpus.toml_locator import Path, locate
from pagecache.operations import Operation
from pagecache.world import WorldSpec
from strategies.case import TaskSpec

__all__ = ["entry_text", "rewrite"]


def entry_text(entry: Entry) -> str:
    """The whole file, ending with a line end."""
    return "\n\n".join(block for block in _blocks(entry) if block) + "\n"


def rewrite(text: str, entry: Entry) -> str:
    """The text of an entry with the result taken from ``entry``, everything else as a person left it.

    Comments, order and spacing stay; only the values of ``verdict``, ``broken``, ``minimal`` and the expected steps
    change.

    Args:
        text: a file that the reader has accepted, with Unix line ends.
        entry: the new result.
    """
    spans = locate(text)
    values: dict[Path, str] = {
        ("verdict",): _value(entry.outcome.value),
        ("broken",): _value(entry.broken),
        ("minimal",): _value(entry.minimal),
        ("expect", "steps"): _steps(entry.steps),
    }
    found = sorted((spans[path], value) for path, value in values.items() if path in spans)
    for span, value in reversed(found):  # from the end, so that the places before stay true
        text = text[: span.start] + value + text[span.end :]
    return text


def _blocks(entry: Entry) -> Iterator[str]:
    case = entry.case
    yield entry.head
    yield _pairs(
        format=FORMAT,
        kernel=case.kernel,
        verdict=entry.outcome.value,
        broken=entry.broken,
        **{"minimal": entry.minimal} if entry.minimal else {},
    )
    yield "[found]\n" + _record(entry.found) if entry.found else ""
    yield _world(case.world)
    for task in case.program.tasks:
        yield _task(task)
    for deviation in case.schedule:
        yield "[[deviation]]\n" + _record(deviation)
    for failure in case.failures:
        yield "[[failure]]\n" + _record(failure)
    yield f"[expect]\nsteps = {_steps(entry.steps)}"


def _world(world: WorldSpec) -> str:
    usual = ((), "shmem", "never")
    fields = {
        name: value
        for name, value in _fields(world).items()
        if name != "vmas" and value is not False and value not in usual
    }
    tables = ["[world]\n" + _pairs(**fields)]
    tables += ["[[world.vma]]\n" + _record(vma) for vma in world.vmas]
    return "\n\n".join(tables)


def _task(task: TaskSpec) -> str:
    operations = [_operation(operation) for operation in task.operations]
    if len(operations) == 1:
        ops = f"[{operations[0]}]"
    else:
        ops = "[\n" + "".join(f"    {operation},\n" for operation in operations) + "]"
    return f"[[task]]\nname = {_value(task.name)}\nops = {ops}"


def _operation(operation: Operation) -> str:
    """``{ op = "Collapse", start = 0 }``, without what is nought unless said otherwise."""
    shown = [f"op = {_value(type(operation).__name__)}"]
    for field in dataclasses.fields(operation):
        value = getattr(operation, field.name)
        usual = field.name in LEFT_OUT and value == field.default
        if (value and not usual) or field.default is dataclasses.MISSING:
            shown.append(f"{field.name} = {_value(value)}")
    return f"{{ {', '.join(shown)} }}"


def _steps(steps: tuple[str, ...]) -> str:
    if not steps:
        return "[]"
    return "[\n" + "".join(f"    {_value(step)},\n" for step in steps) + "]"


def _record(record: Any) -> str:
    """The lines of a record; a flag that is not set and a list that is empty go without saying."""
    return _pairs(**{name: value for name, value in _fields(record).items() if value is not False and value != ()})


def _fields(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def _pairs(**values: Any) -> str:
    return "\n".join(f"{name} = {_value(value)}" for name, value in values.items())


def _value(value: bool | int | str | tuple[Any, ...]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"[{', '.join(map(_value, value))}]"
