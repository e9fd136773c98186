"""``pagecache-fuzz matrix``."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import click

from fuzz.commands.options import CORPUS, common_options
from fuzz.commands.output import leave
from fuzz.commands.progress import progress
from fuzz.commands.status import Status
from fuzz.corpus import atomic, store
from fuzz.corpus.vocabulary import vocabulary
from fuzz.errors import EntryError
from fuzz.report.matrix import answers, matrix, replaced
from pagecache.kernels import KERNELS

__all__ = ["matrix_"]

README = "README.md"


@click.command("matrix")
@click.argument("directory", type=click.Path(path_type=Path), default=CORPUS)
@click.option("--write", is_flag=True, help=f"Put it into the {README} of the directory.")
@common_options
def matrix_(directory: Path, *, write: bool, as_json: bool) -> NoReturn:
    """Ask every kernel every question of the corpus: is the promise of an entry broken under any schedule?"""
    entries = [store.load(path, vocabulary()) for path in store.entry_paths(directory)]
    with progress() as shown:
        table = answers(entries, KERNELS, shown)
    text = matrix(entries, KERNELS, table)
    if write:
        path = directory / README
        try:
            text = replaced(path.read_text(encoding="utf-8"), text, path)
        except (OSError, ValueError) as error:
            raise EntryError(f"{path}: the table cannot be put there: {error}") from error
        atomic.replace(path, text)
        text = f"{path} is up to date."
    names = [kernel.name for kernel in KERNELS]
    whole = {entry.name: dict(zip(names, row, strict=True)) for entry, row in zip(entries, table, strict=True)}
    leave(Status.HELD, text, whole, as_json=as_json)
