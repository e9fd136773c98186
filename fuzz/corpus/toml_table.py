"""Strict reading of TOML tables: each value is asked for once, and what nobody asked for is an error.

Every error names the file, the line, the value and the remedy.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
import typing
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

from fuzz.corpus.toml_locator import Path, Span, locate
from fuzz.errors import EntryError

__all__ = ["Document", "Table", "parse"]

Record = TypeVar("Record")

_TYPE_NAMES: Final[dict[Any, str]] = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    list: "an array",
    dict: "a table",
    float: "a number with a fraction",
}
_SHOWN_MAX: Final = 60  # characters of a value in a message


def parse(file: str, data: bytes) -> Table:
    """Read a whole file.

    Args:
        file: its path, for the messages.
        data: its content.

    Raises:
        EntryError: if it is not UTF-8 or not TOML.
    """
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise EntryError(
            f"{file}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from None
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # an int of 5000 digits and 1000 nested arrays are not TOML errors
        raise EntryError(_syntax(file, text, error)) from None
    document = Document(file, text, locate(text))
    return Table(document, (), values)


def _syntax(file: str, text: str, error: Exception) -> str:
    what = str(error)
    place = re.search(r" \(at line (\d+), column \d+\)$", what)
    lines = text.count("\n") + 1
    line = int(place[1]) if place else lines
    what = re.sub(r" \(at [^)]*\)$", "", what)
    end = "" if place else " at the end of the file: it may be cut off"
    shown = text.split("\n")[line - 1].strip()[:_SHOWN_MAX]
    return f"{file}, line {line}: not TOML: {what}{end}: {shown!r}; mend the line or restore the file"


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """A parsed file: its name, its text and where everything stands."""

    file: str
    text: str
    spans: dict[Path, Span]

    def line(self, path: Path) -> int:
        """The line of a value, or of the nearest thing around it that has one."""
        while path not in self.spans:
            path = path[:-1]
        return self.spans[path].line

    def error(self, path: Path, problem: str) -> EntryError:
        """``problem``, a clause with the value and one with the remedy, with its place."""
        return EntryError(f"{self.file}, line {self.line(path)}: {problem}")


@dataclasses.dataclass(slots=True)
class Table:
    """One table; ``take...`` hands out each of its values once, ``done`` complains about the rest."""

    document: Document
    path: Path
    values: dict[str, Any]
    taken: list[str] = dataclasses.field(default_factory=list)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def name(self) -> str:
        """How the file writes it: ``[world]``, ``[[task]]`` number 2."""
        if not self.path:
            return "the top of the file"
        names = [part for part in self.path if isinstance(part, str)]
        last = self.path[-1]
        return f"[[{'.'.join(names)}]] number {last + 1}" if isinstance(last, int) else f"[{'.'.join(names)}]"

    def error(self, key: str, problem: str) -> EntryError:
        """An error at the value of ``key``, or at the table if there is none."""
        return self.document.error((*self.path, key), problem)

    def take(self, key: str, kind: type[Record]) -> Record:
        """The value of ``key``.

        Raises:
            EntryError: if it is missing or of another type.
        """
        self.taken.append(key)
        if key not in self.values:
            raise self.error(key, f"{self.name()} has no {key!r}; add '{key} = ...' ({_TYPE_NAMES[kind]})")
        return self._checked((*self.path, key), key, self.values[key], kind)

    def take_list(self, key: str, kind: type[Record]) -> tuple[Record, ...]:
        """The array ``key``, each value of the same type."""
        return self._list((*self.path, key), key, self.take(key, list), kind)

    def take_pairs(self, key: str) -> tuple[tuple[int, ...], ...]:
        """The array ``key``, each value an array of whole numbers."""
        return tuple(
            self._list((*self.path, key, number), f"{key}, value {number + 1}", value, int)
            for number, value in enumerate(self.take_list(key, list))
        )

    def _list(self, path: Path, name: str, values: Sequence[Any], kind: type[Record]) -> tuple[Record, ...]:
        return tuple(
            self._checked((*path, number), f"{name}, value {number + 1}", value, kind)
            for number, value in enumerate(values)
        )

    def take_tables(self, key: str) -> list[Table]:
        """The tables ``[[key]]`` in their order; none if there are none."""
        if key not in self.values:
            self.taken.append(key)
            return []
        path = (*self.path, key)
        return [Table(self.document, (*path, number), table) for number, table in enumerate(self.take_list(key, dict))]

    def take_table(self, key: str) -> Table:
        """The table ``[key]``."""
        return Table(self.document, (*self.path, key), self.take(key, dict))

    def take_word(self, key: str, words: Iterable[str], what: str) -> str:
        """The value of ``key``, which is one of ``words``."""
        word = self.take(key, str)
        known = list(words)
        if word not in known:
            raise self.error(key, f"{key} is {word!r}, which is not {what}; {suggestion(word, known)}")
        return word

    def take_record(self, record: type[Record], *, optional: tuple[str, ...] = (), **given: Any) -> Record:
        """A dataclass whose fields are the keys of this table.

        A key may be left out if its field is nought, false or empty then.

        Args:
            record: the dataclass.
            optional: fields that may be left out if they have their default, whatever that is.
            **given: fields that are not in the table.

        Raises:
            EntryError: also for the ``ValueError`` of its ``__post_init__``.
        """
        hints = typing.get_type_hints(record)
        values = dict(given)
        for field in dataclasses.fields(record):  # type: ignore[arg-type]
            if field.name in given:
                continue
            has_default = field.default is not dataclasses.MISSING
            if field.name not in self.values and has_default and (not field.default or field.name in optional):
                self.taken.append(field.name)  # it may be what another key was meant to be
                continue
            hint = hints[field.name]
            if typing.get_origin(hint) is tuple:
                values[field.name] = self.take_list(field.name, typing.get_args(hint)[0])
            else:
                values[field.name] = self.take(field.name, hint)
        self.done()
        try:
            return record(**values)
        except ValueError as error:
            raise self.error(_field_at_fault(str(error), values), str(error)) from None

    def done(self) -> None:
        """Everything must have been asked for.

        Raises:
            EntryError: for the first key that was not.
        """
        fields = list(dict.fromkeys(self.taken))
        for key in self.values:
            if key not in fields:
                raise self.error(key, f"{self.name()} has no field {key!r}; remove it, or {suggestion(key, fields)}")

    def _checked(self, path: Path, name: str, value: Any, kind: type[Record]) -> Record:
        if type(value) is kind:
            return value
        shown = repr(value)
        shown = shown if len(shown) <= _SHOWN_MAX else f"{shown[:_SHOWN_MAX]}..."
        got = _TYPE_NAMES.get(type(value), "a date or time")
        raise self.document.error(path, f"{name} is {shown}, {got}; make it {_TYPE_NAMES[kind]}")


def _field_at_fault(message: str, names: Iterable[str]) -> str:
    """The field of which a message speaks: it begins with it ("size is 9", "page 0 is") or quotes it; or none."""
    return next((name for name in names if message.startswith(name.removesuffix("s")) or f"'{name}'" in message), "")


def suggestion(word: str, known: list[str]) -> str:
    """What was probably meant, or what there is to choose from."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"choose one of {', '.join(known)}"
