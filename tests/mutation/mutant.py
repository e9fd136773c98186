"""A fault planted into one file of the model, as the diff that makes it.

The patched file takes the place of the original when ``pagecache`` is imported, so a mutant needs a process of its own
(:mod:`spoilt`), and any function can be spoilt, whether or not it is a member of the kernel's table.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Final, Literal

__all__ = ["PACKAGE", "Kind", "Mutant", "MutantError", "patched", "plant"]

Kind = Literal["lock", "order", "recheck", "refcount", "accounting", "flag", "wakeup", "bound", "cursor", "barrier"]
"""What was done: a lock dropped, steps swapped, a second look skipped, a wrong count expected or taken, a line of
accounting forgotten, a flag or content not set, a waiter not woken, a range cut, a cursor misplaced, a barrier left
out."""

PACKAGE: Final = Path(__file__).parents[2] / "pagecache"


class MutantError(ValueError):
    """A diff that does not apply: the model has changed, and so must the mutant."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault.

    Args:
        name: what the kernel lacks, or does.
        file: the file of the model, relative to ``pagecache/``.
        kind: what was done.
        diff: hunks in the unified format, without line numbers, with lines of ``@@`` between them.
        kernel: the kernel in which it is looked for.
        equivalent: why nobody can tell it from the original; empty if somebody can.
        features: what is asked of the worlds, as in a Focus of the museum, where few worlds have what it takes.
        operations: of these programs are made, by name, then; of all if empty.
    """

    name: str
    file: str
    kind: Kind
    diff: str
    kernel: str = "linux-2026-mended"
    equivalent: str = ""
    features: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    operations: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The module whose text it changes."""
        return "pagecache." + self.file.removesuffix(".py").replace("/", ".")


def patched(mutant: Mutant) -> str:
    """The text of the mutant's file with its diff applied.

    Raises:
        MutantError: if a hunk does not apply at exactly one place.
    """
    text = (PACKAGE / mutant.file).read_text(encoding="utf-8")
    for old, new in _hunks(mutant.diff):
        if text.count(old) != 1:
            raise MutantError(
                f"{mutant.name}: a hunk applies to pagecache/{mutant.file} at {text.count(old)} places; "
                f"it must be one, give it more or less context:\n{old}"
            )
        text = text.replace(old, new)
    return text


def _hunks(diff: str) -> Iterator[tuple[str, str]]:
    """What each hunk takes out of the text, and what it puts there."""
    for hunk in diff.strip("\n").split("\n@@\n"):
        lines = [(line[:1] or " ", f"{line[1:]}\n") for line in hunk.split("\n")]
        yield (
            "".join(text for mark, text in lines if mark in " -"),
            "".join(text for mark, text in lines if mark in " +"),
        )


class _Planter(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds the mutant's module, and nothing else."""

    def __init__(self, module: str, text: str, path: Path) -> None:
        self.module = module
        self.text = text
        self.path = path

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if fullname != self.module:
            return None
        return importlib.util.spec_from_loader(fullname, self, origin=f"<{self.path} with a fault>")

    def get_source(self, fullname: str) -> str:
        del fullname
        return self.text


def plant(mutant: Mutant) -> None:
    """From now on, importing the mutant's module gives the faulty one.

    Raises:
        MutantError: if the diff does not apply, or the model has been imported already.
    """
    if "pagecache" in sys.modules:
        raise MutantError(f"{mutant.name}: pagecache has been imported before the fault was planted; use a new process")
    sys.meta_path.insert(0, _Planter(mutant.module, patched(mutant), PACKAGE / mutant.file))
