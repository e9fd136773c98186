"""A program on its own: a TOML file with the world and the tasks of an entry, and nothing else.

::

    [world]
    pages = ["data", "hole"]
    hpage_order = 1
    size = 2

    [[world.vma]]
    mm = "A"
    start = 0
    end = 2

    [[task]]
    name = "khugepaged"
    ops = [{ op = "Collapse", start = 0 }]

    [[task]]
    name = "store"
    ops = [{ op = "Store", index = 1 }]
"""

from __future__ import annotations

from pathlib import Path

from fuzz.corpus.entry_reader import read_parts
from fuzz.corpus.store import read
from fuzz.corpus.toml_table import parse
from strategies.case import Case

__all__ = ["load_program"]


def load_program(path: Path, kernel: str) -> Case:
    """The program in a file, as a case of ``kernel`` without deviations.

    Raises:
        EntryError: if anything is wrong; it names file, line, value and remedy.
    """
    top = parse(str(path), read(path))
    world, program, failures = read_parts(top)
    top.done()
    return Case(kernel, world, program, (), failures)
