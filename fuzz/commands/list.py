"""``pagecache-fuzz list``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import click

from fuzz.commands.options import common_options
from fuzz.commands.output import leave
from fuzz.commands.status import Status
from fuzz.corpus.vocabulary import promise_summaries
from pagecache.history import HISTORY, Bug
from pagecache.kernels import FUZZED
from pagecache.operations import OPERATIONS

__all__ = ["list_"]

TABLES = ("kernels", "operations", "promises", "history")


def _tables() -> dict[str, Mapping[str, str | dict[str, str]]]:
    return {
        "kernels": {kernel.name: f"{kernel.summary} ({kernel.source})" for kernel in FUZZED},
        "operations": {kind.__name__: (kind.__doc__ or "").splitlines()[0].replace("``", "") for kind in OPERATIONS},
        "promises": promise_summaries(),
        "history": {bug.kernel.name: _of_bug(bug) for bug in HISTORY},
    }


def _of_bug(bug: Bug) -> dict[str, str]:
    return {
        "summary": bug.kernel.summary,
        "function": ", ".join(bug.functions),
        "fix": bug.fix,
        "release": bug.release,
        "fixed": bug.fixed.name,
    }


@click.command("list")
@click.argument("what", type=click.Choice(TABLES), required=False)
@common_options
def list_(what: str | None, *, as_json: bool) -> NoReturn:
    """What there is: kernels, operations of programs, promises, the museum of real bugs."""
    tables = {name: table for name, table in _tables().items() if what in (None, name)}
    text = "\n\n".join(_as_text(name, table) for name, table in tables.items())
    leave(Status.HELD, text, tables, as_json=as_json)


def _as_text(name: str, table: Mapping[str, str | dict[str, str]]) -> str:
    rows = [(key, *(value.values() if isinstance(value, dict) else (value,))) for key, value in table.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join([f"{name}:", *(f"  {line}" for line in lines)])
