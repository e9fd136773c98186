"""What a command says: words for a person or, with ``--json``, one object for a machine, on standard output."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

import click
from rich.console import Console
from rich.text import Text

from fuzz.commands.status import Status
from fuzz.engine.verdict import Verdict
from strategies.case import Case

__all__ = ["answer", "leave", "say"]

_STYLES: Final = {
    r"(?m)^ *\d+ >": "bold yellow",
    r"(?m)^(Broken promise|Deadlock|Livelock|No verdict).*$": "bold red",
    r"(?m)^All promises held\.$": "green",
}


def say(text: str) -> None:
    """Print for a person, in colours only on a terminal."""
    if sys.stdout.isatty():
        coloured = Text(text)
        for pattern, style in _STYLES.items():
            coloured.highlight_regex(pattern, style)
        Console(highlight=False).print(coloured, soft_wrap=True)
    else:
        click.echo(text)


def answer(
    kernel: str | None,
    verdict: Verdict | None,
    case: Case | None = None,
    *,
    schedules: int,
    seconds: float,
    entry: Path | None = None,
    **more: Any,
) -> dict[str, Any]:
    """The object: what every command says, then what only this one does; ``None`` where there is nothing to say.

    Args:
        kernel: its name.
        verdict: what was judged.
        case: of which ``tasks``, ``operations`` and ``deviations`` are counted.
        schedules: how many were run.
        seconds: how long it took.
        entry: the corpus entry.
        **more: the rest.
    """
    return {
        "kernel": kernel,
        "verdict": verdict.outcome.value if verdict else None,
        "promise": verdict.promise if verdict else None,
        "sentence": verdict.sentence if verdict else None,
        "schedules": schedules,
        "seconds": round(seconds, 3),
        "entry": str(entry) if entry else None,
        "tasks": len(case.program.tasks) if case else None,
        "operations": case.program.operations if case else None,
        "deviations": len(case.schedule) if case else None,
        **more,
    }


def leave(status: Status, text: str, answer: dict[str, Any], *, as_json: bool) -> NoReturn:
    """Say it, as text or as JSON, and end with ``status``."""
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
    elif text:
        say(text.rstrip("\n"))
    raise SystemExit(status)
