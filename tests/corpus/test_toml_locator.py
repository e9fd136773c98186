from __future__ import annotations

import tomllib
from typing import Any

import pytest

from fuzz.corpus.toml_locator import Path, locate

DOCUMENT = '''\
# a head with "quotes" and [brackets]
format = 1
text = """
[not.a.table]
x = 1 """""
raw = \'\'\'
y = 2\'\'\'
"quoted # key" = { op = "A", at = [1, [2, 3]] }
date = 2023-02-21 12:00:00
a.b.c = 1.5

[[task]]
name = "one"   # with = and [
ops = [
    { op = "Collapse", start = 0 },  # a comment ]
    { op = "Load", index = -1 },

]
[task.more]
x = 1

[[task]]
name = \'two\'
[[task.deep]]
x = [ ]
[[task.deep]]
x = [[], {}]
[w.x.y]
z = "last"'''

LINES: dict[Path, int] = {
    ("format",): 2,
    ("text",): 3,
    ("raw",): 6,
    ("quoted # key", "op"): 8,
    ("quoted # key", "at", 1, 0): 8,
    ("date",): 9,
    ("a", "b", "c"): 10,
    ("task", 0): 12,
    ("task", 0, "name"): 13,
    ("task", 0, "ops"): 14,
    ("task", 0, "ops", 0, "start"): 15,
    ("task", 0, "ops", 1, "index"): 16,
    ("task", 0, "more", "x"): 20,
    ("task", 1): 22,
    ("task", 1, "name"): 23,
    ("task", 1, "deep", 0): 24,
    ("task", 1, "deep", 1, "x", 1): 27,
    ("w", "x", "y", "z"): 29,
}


def paths(value: Any, path: Path = ()) -> set[Path]:
    """Every path of what tomllib has read."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path}.union(*(paths(part, (*path, key)) for key, part in inner))


def test_every_value_that_tomllib_reads_has_a_place() -> None:
    assert set(locate(DOCUMENT)) == paths(tomllib.loads(DOCUMENT))


@pytest.mark.parametrize(("path", "line"), LINES.items(), ids=str)
def test_the_line_is_the_one_a_person_would_name(path: Path, line: int) -> None:
    assert locate(DOCUMENT)[path].line == line


def test_the_span_of_a_value_is_its_text() -> None:
    spans = locate(DOCUMENT)

    def text(*path: str | int) -> str:
        return DOCUMENT[spans[path].start : spans[path].end]

    assert text("format") == "1"
    assert text("text") == '"""\n[not.a.table]\nx = 1 """""'
    assert text("date") == "2023-02-21 12:00:00"
    assert text("a", "b", "c") == "1.5"
    assert text("task", 0, "ops", 1) == '{ op = "Load", index = -1 }'
    assert text("task", 1, "deep", 1, "x") == "[[], {}]"
