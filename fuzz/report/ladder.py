"""The interleaving as a table: a column per task, a row per event, for people who think in CPU 0 and CPU 1.

::

    step   | khugepaged           | lseek
       1   | Collapse(start=0)    |
       2   |   xas_load(0)        |
       3 > |                      | SeekData(index=0)
       4   |                      |   xas_load(0)
       5   |                      |   = 0

``>`` marks where the schedule leaves the canonical order.  Plain text that survives being pasted into a mail.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from fuzz.engine.history import Event, History
from strategies.case import Failure

__all__ = ["WIDTH_MAX", "Row", "ladder", "one_line", "rows"]

WIDTH_MAX: Final = 100  # columns: three tasks fit, and a mail shows it unbroken
COLUMN_MIN: Final = 16  # columns: what remains of a call must still be recognizable, even if the table gets wider
DASHES_MAX: Final = 9  # more are not counted by eye

MARK: Final = ">"


class Row(NamedTuple):
    """One event as a row: whose column, what it says, and whether the schedule deviates there."""

    task: int
    text: str
    marked: bool


def rows(history: History, failures: Iterable[Failure] = ()) -> list[Row]:
    """The events of a run as rows.

    Args:
        history: of the run.
        failures: those of the case, to be shown at the calls that failed.
    """
    events = history.events
    failed = _failed(history, failures)
    marks = _marks(events)
    return [Row(event.task, _text(event, n in failed), marks[n]) for n, event in enumerate(events)]


def ladder(history: History, failures: Iterable[Failure] = (), until: int | None = None) -> list[str]:
    """The table as lines.

    Args:
        history: of the run.
        failures: those of the case, to be shown at the calls that failed.
        until: the last row to show; all of them by default.
    """
    table, names = _without_empty_columns(rows(history, failures), history.names)
    widths = _widths(names, table)
    lines = [_line("step", "", names, widths).rstrip()]
    for number, row in enumerate(table[:until], 1):
        columns = [row.text if task == row.task else "" for task in range(len(names))]
        lines.append(_line(str(number), MARK if row.marked else "", columns, widths).rstrip())
    if until is not None and until < len(table):
        lines.append(f"       ... {len(table) - until} more")
    elif history.again:
        how = ", each task its own" if history.apart else ""
        lines.append(f"       ... steps {len(table) - history.again + 1} to {len(table)} again{how}, without end")
    return lines


def one_line(history: History) -> str:
    """The run in dejafu's manner, a dash per step: ``khugepaged--- P:lseek- S:khugepaged-------``.

    ``P:`` is a deviation from the canonical order, ``S:`` a switch because the task blocked or ended.
    """
    steps = [event for event in history.events if event.kind == "step"]
    words: list[str] = []
    for task, turn in groupby(steps, key=lambda event: event.task):
        first, *rest = turn
        taken = 1 + len(rest)
        dashes = "-" * taken if taken <= DASHES_MAX else f"-{taken}-"
        kind = "P:" if first.deviates else "S:" if words else ""
        words.append(f"{kind}{history.names[task]}{dashes}")
    return " ".join(words)


def _without_empty_columns(table: Sequence[Row], names: Sequence[str]) -> tuple[list[Row], list[str]]:
    """The rows and names of the tasks that do anything: a store buffer, say, often publishes nothing by itself."""
    tasks = sorted({row.task for row in table})
    return [row._replace(task=tasks.index(row.task)) for row in table], [names[task] for task in tasks]


def _text(event: Event, failed: bool) -> str:
    if event.kind == "call":
        return repr(event.operation)
    if event.kind == "return":
        return f"  = {event.result}"
    return f"  {event.step} fails" if failed else f"  {event.step}"


def _marks(events: Sequence[Event]) -> list[bool]:
    """Where the schedule deviates: at the call, if an operation begins there, else at the step."""
    marks = [event.deviates for event in events]
    for number in range(1, len(events)):
        call = events[number - 1]
        if marks[number] and call.kind == "call" and call.task == events[number].task:
            marks[number - 1 : number + 1] = [True, False]
    return marks


def _failed(history: History, failures: Iterable[Failure]) -> set[int]:
    """The places of the steps that were made to fail."""
    anchors = {(failure.task, failure.at, failure.visit) for failure in failures}
    visits: dict[tuple[str, str], int] = {}
    failed = set()
    for number, event in enumerate(history.events):
        if event.step is not None and event.kind == "step":
            call = (history.names[event.task], event.step.call)
            visits[call] = visits.get(call, 0) + 1
            if event.step.fails and (*call, visits[call]) in anchors:
                failed.add(number)
    return failed


def _widths(names: Sequence[str], table: Sequence[Row]) -> list[int]:
    """As wide as the texts, but the widest columns give way until the table fits."""
    widths = [len(name) for name in names]
    for row in table:
        widths[row.task] = max(widths[row.task], len(row.text))
    while len(_line("", "", names, widths)) > WIDTH_MAX and max(widths) > COLUMN_MIN:
        widths[widths.index(max(widths))] -= 1
    return widths


def _line(number: str, mark: str, columns: Sequence[str], widths: Sequence[int]) -> str:
    texts = (_cut(text, width).ljust(width) for text, width in zip(columns, widths, strict=True))
    return f"{number:>4} {mark:1} | {' | '.join(texts)}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."
