"""``pagecache-fuzz``: the command line, and what becomes of an error."""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NoReturn

import click

from fuzz.commands.ask import ask
from fuzz.commands.list import list_
from fuzz.commands.matrix import matrix_
from fuzz.commands.options import JSON_WANTED, log_options
from fuzz.commands.races import races_
from fuzz.commands.replay import replay
from fuzz.commands.rerecord import rerecord
from fuzz.commands.run import run
from fuzz.commands.show import show
from fuzz.commands.status import Status
from fuzz.commands.verify import verify
from fuzz.errors import InputError

__all__ = ["main"]


class _Commands(click.Group):
    """Turns what goes wrong into a message and an exit status, for all commands alike.

    Python's own status for an exception is 1, which here means that a kernel broke a promise; so nothing leaves
    without a status of its own.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            _fail(ctx, f"{error}", Status.USAGE)
        except KeyboardInterrupt:
            _fail(ctx, "interrupted; what was found until then is saved", Status.INTERRUPTED)
        except BrokenPipeError:
            # Whoever read our output has gone; Python must not try to flush it once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(Status.INTERRUPTED) from None
        except click.ClickException as error:
            _tell_machines(ctx, error.format_message())
            raise
        except click.exceptions.Exit:
            raise
        except Exception:  # noqa: BLE001 - a crash of ours is not a finding
            trace = traceback.format_exc()
            _fail(ctx, f"{trace}This is a bug of pagecache-fuzz; report it with these lines.", Status.CRASHED)


def _fail(ctx: click.Context, message: str, status: Status) -> NoReturn:
    click.echo(message, err=True)
    _tell_machines(ctx, message)
    raise SystemExit(status)


def _tell_machines(ctx: click.Context, message: str) -> None:
    """With ``--json`` there is one object on standard output also when there is no answer."""
    if ctx.meta.get(JSON_WANTED):
        click.echo(json.dumps({"error": message}, ensure_ascii=False))


def _version() -> str:
    try:
        return version("pagecache-fuzz")
    except PackageNotFoundError:
        return "not installed"


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(_version(), prog_name="pagecache-fuzz")
@log_options
def main() -> None:
    """Fuzz the schedules of concurrent tasks on a model of the Linux page cache.

    Exit status: 0 all promises held, 1 one was broken, 2 wrong usage, 3 no conclusion, 4 a replay differs.
    """


for _command in (list_, run, ask, replay, verify, show, rerecord, matrix_, races_):
    main.add_command(_command)
