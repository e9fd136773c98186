"""Where in a TOML text each value stands.

``tomllib`` forgets the line of a value as soon as it has read it, and an error that cannot name the line is half an
error.  This is a second look at a text that ``tomllib`` has accepted: it knows just enough of the
grammar to find the places, and leaves every question of validity to ``tomllib``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = ["Path", "Span", "locate"]

Path = tuple[str | int, ...]
"""How to reach a value: ``("task", 1, "ops", 0, "start")``; ``()`` is the whole document."""


class Span(NamedTuple):
    """The place of a value: its line (from 1) and its first and behind-last character."""

    line: int
    start: int
    end: int


_TOKEN: Final = re.compile(
    r"""
      (?P<blank>   [ \t]+ | \#[^\n]* )
    | (?P<newline> \n )
    | (?P<string>  \"{3} (?: \\. | [^\\] )*? \"{3} (?!\")
                 | '{3} .*? '{3} (?!')
                 | \" (?: \\. | [^\"\\] )* \"
                 | ' [^']* ' )
    | (?P<sign>    [\[\]{}=,.] )
    | (?P<word>    [^\s\[\]{}=,.\"'\#]+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_ESCAPED: Final = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


@dataclass
class _Scanner:
    """One pass over the tokens; ``spans`` is what it finds, ``arrays`` counts the tables of each ``[[...]]``."""

    text: str

    def __post_init__(self) -> None:
        self.tokens = [
            _Token(match.lastgroup or "", match.group(), match.start())
            for match in _TOKEN.finditer(self.text)
            if match.lastgroup != "blank"
        ]
        self.tokens.append(_Token("end", "", len(self.text)))
        self.at = 0
        self.line = 1
        self.spans: dict[Path, Span] = {(): Span(1, 0, len(self.text))}
        self.arrays: dict[Path, int] = {}

    def take(self) -> _Token:
        """The next token; whoever takes a line end, also one inside a string, counts it."""
        token = self.tokens[self.at]
        self.at += token.kind != "end"
        self.line += token.text.count("\n")
        return token

    def next_is(self, *texts: str) -> bool:
        token = self.tokens[self.at]
        return token.kind == "end" or (token.kind != "string" and token.text in texts)

    def skip_lines(self) -> None:
        while self.tokens[self.at].kind == "newline":
            self.take()

    def key(self) -> Path:
        """A key, perhaps dotted: ``world.vma``."""
        parts: list[str] = []
        while not self.next_is("=", "]", "\n"):
            token = self.take()
            if token.kind == "string":
                parts.append(_unquote(token.text))
            elif token.text != ".":
                parts.append(token.text)
        return tuple(parts)

    def resolve(self, table: Path, key: Path) -> Path:
        """The path of ``key`` inside of ``table``: a name that holds ``[[...]]`` means its last table."""
        path = table
        for part in key:
            path = (*path, part)
            if path in self.arrays:
                path = (*path, self.arrays[path])
        return path

    def document(self) -> None:
        table: Path = ()
        self.skip_lines()
        while self.tokens[self.at].kind != "end":
            if self.next_is("["):
                table = self.header()
            else:
                self.pair(table)
            self.skip_lines()

    def header(self) -> Path:
        start, line = self.take().start, self.line
        many = self.next_is("[")
        if many:
            self.take()
        *parents, last = self.key()
        while not self.next_is("\n"):
            self.take()
        for depth in range(1, len(parents) + 1):
            self.found(self.resolve((), tuple(parents[:depth])), line, start)  # tables without a header
        path = (*self.resolve((), tuple(parents)), last)
        if many:
            self.arrays[path] = self.arrays.get(path, -1) + 1
            self.found(path, line, start)
            path = (*path, self.arrays[path])
        self.found(path, line, start)
        return path

    def pair(self, table: Path) -> None:
        line, start = self.line, self.tokens[self.at].start
        path = table
        for part in self.key():
            path = (*path, part)
            self.found(path, line, start)  # the tables that a dotted key makes on its way
        self.take()
        self.spans.pop(path, None)
        self.value(path)

    def value(self, path: Path) -> None:
        line, start = self.line, self.tokens[self.at].start
        if self.next_is("["):
            self.take()
            self.skip_lines()
            number = 0
            while not self.next_is("]"):
                self.value((*path, number))
                number += 1
                self.separator()
            self.take()
        elif self.next_is("{"):
            self.take()
            self.skip_lines()
            while not self.next_is("}"):
                self.pair(path)
                self.separator()
            self.take()
        else:
            self.take()
            while not self.next_is(",", "]", "}", "\n"):  # 1.5 and 2023-02-21 12:00 are several tokens
                self.take()
        self.found(path, line, start)

    def separator(self) -> None:
        self.skip_lines()
        if self.next_is(","):
            self.take()
        self.skip_lines()

    def found(self, path: Path, line: int, start: int) -> None:
        before = self.tokens[self.at - 1]
        self.spans.setdefault(path, Span(line, start, before.start + len(before.text)))


def _unquote(text: str) -> str:
    if text.startswith("'"):
        return text[1:-1]
    return _ESCAPE.sub(_unescape, text[1:-1])


def _unescape(match: re.Match[str]) -> str:
    short, long, letter = match.groups()
    if letter is None:
        return chr(int(short or long, 16))
    return _ESCAPED.get(letter, letter)


def locate(text: str) -> dict[Path, Span]:
    """The place of every table and value of a TOML document.

    Args:
        text: what ``tomllib.loads`` has accepted, with Unix line ends.
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.spans
