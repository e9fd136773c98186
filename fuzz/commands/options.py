"""Options that several commands share."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from fuzz import log
from fuzz.corpus.entry import Entry
from fuzz.corpus.store import load
from fuzz.corpus.vocabulary import vocabulary
from fuzz.kernel_file import find_kernel, own_corpus
from pagecache.history import EVERY_KERNEL
from pagecache.kernel import Kernel
from pagecache.promises import DEFAULT_PROMISES, PROMISES

__all__ = [
    "CORPUS",
    "JSON_WANTED",
    "Chosen",
    "common_options",
    "entry_argument",
    "kernel_option",
    "log_options",
    "open_entry",
    "promise_options",
]

CORPUS: Final = Path("corpus")

JSON_WANTED: Final = "pagecache-fuzz.json"
"""Set in the context of a command that was given ``--json``, for whoever reports its errors."""

_LOG: Final = "pagecache-fuzz.log"

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Chosen:
    """A kernel, and how the command line says it.

    Args:
        kernel: the kernel.
        given: its name or its file, as given.
    """

    kernel: Kernel
    given: str

    @property
    def option(self) -> str:
        """What must be added to a command so that it finds this kernel; empty for those of the list."""
        return "" if self.kernel.name in EVERY_KERNEL else f" --kernel {shlex.quote(self.given)}"

    @property
    def corpus(self) -> Path:
        """Where its findings are kept by default."""
        return own_corpus(self.given) or CORPUS


def kernel_option(*, required: bool, help: str) -> Callable[[Command], Command]:  # noqa: A002 - click's name for it
    """``--kernel``: a name or a file, see :func:`fuzz.kernel_file.find_kernel`."""

    def find(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Chosen | None:
        return None if value is None else Chosen(find_kernel(value), value)

    return click.option("--kernel", metavar="NAME|FILE.py", required=required, callback=find, help=help)


def open_entry(path: Path, chosen: Chosen | None) -> tuple[Entry, Chosen]:
    """An entry and the kernel to run it on: the chosen one, else its own.

    Raises:
        EntryError: if the entry cannot be read.
    """
    entry = load(path, vocabulary(chosen.kernel if chosen else None))
    return entry, chosen or Chosen(find_kernel(entry.case.kernel), entry.case.kernel)


entry_argument = click.argument("entry", type=click.Path(path_type=Path))


def promise_options(command: Command) -> Command:
    """``--without`` and ``--with``, as ``without`` and ``also``: what :func:`pagecache.promises.judged` wants."""
    without = click.option(
        "--without",
        multiple=True,
        metavar="PROMISE",
        type=click.Choice([promise.name for promise in DEFAULT_PROMISES]),
        help="Do not judge by this promise (see 'list promises'); may be repeated.",
    )
    also = click.option(
        "--with",
        "also",
        multiple=True,
        metavar="PROMISE",
        type=click.Choice([promise.name for promise in PROMISES if not promise.default]),
        help="Judge by this promise, too, which is not judged otherwise; may be repeated.",
    )
    return without(also(command))


def log_options(command: Command) -> Command:
    """``--log-level`` and ``--log-json``: before or after the command's name, as one likes."""

    def remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        chosen = ctx.meta.setdefault(_LOG, {"log_level": "warning", "log_json": False})
        if ctx.get_parameter_source(str(param.name)) is click.core.ParameterSource.COMMANDLINE:
            chosen[str(param.name)] = value
        log.configure(sys.stderr, chosen["log_level"], as_json=chosen["log_json"])

    level = click.option(
        "--log-level",
        type=click.Choice(log.LEVELS),
        default="warning",
        expose_value=False,
        callback=remember,
        help="What goes to standard error.  [default: warning]",
    )
    as_json = click.option(
        "--log-json", is_flag=True, expose_value=False, callback=remember, help="Log JSON, one object a line."
    )
    return level(as_json(command))


def common_options(command: Command) -> Command:
    """``--json``, with which a command prints one JSON object and nothing else on standard output; and the log's."""

    def remember(ctx: click.Context, _param: click.Parameter, value: bool) -> bool:
        ctx.meta[JSON_WANTED] = value
        return value

    as_json = click.option(
        "--json", "as_json", is_flag=True, is_eager=True, callback=remember, help="Print one JSON object, nothing else."
    )
    return as_json(log_options(command))
