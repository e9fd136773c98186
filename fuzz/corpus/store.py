"""The corpus: a directory of entries, one TOML file each.

Reading is strict: one entry that cannot be read is an error for the whole directory, never a skip.
Writing is careful: a file is written whole or not at all, and never over another entry.
"""

from __future__ import annotations

from pathlib import Path

from fuzz.corpus.atomic import create, replace
from fuzz.corpus.entry import Entry
from fuzz.corpus.entry_reader import Vocabulary, read_entry
from fuzz.corpus.entry_writer import entry_text, rewrite
from fuzz.errors import EntryError, SaveError

__all__ = ["SUFFIX", "entry_paths", "load", "read", "rerecord", "save"]

SUFFIX = ".toml"


def load(path: Path, words: Vocabulary) -> Entry:
    """Read one entry.

    Raises:
        EntryError: if it cannot be read or says something impossible; the message names file, line and remedy.
    """
    return read_entry(path.name.removesuffix(SUFFIX), str(path), read(path), words)


def entry_paths(path: Path) -> list[Path]:
    """The files of a corpus in the order of their names; for a file, that file.

    Raises:
        EntryError: if there is no such file or directory.
    """
    if not path.is_dir():
        if not path.exists():
            raise EntryError(
                f"{path}: there is no such file or directory; 'pagecache-fuzz run' saves entries in corpus/"
            )
        return [path]
    try:
        files = sorted(path.iterdir())
    except OSError as error:
        raise EntryError(f"{path}: cannot be read: {error.strerror}; give the path of a corpus") from error
    return [file for file in files if file.name.endswith(SUFFIX) and not file.name.startswith(".")]


def save(entry: Entry, directory: Path, words: Vocabulary) -> Path:
    """Keep ``entry`` under its name, or under name-2, name-3, ... if others have it.

    Saving the same case with the same result again changes nothing.

    Returns:
        Where it is.

    Raises:
        SaveError: if it cannot be written; no other entry was touched.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(
            f"{directory}: cannot be made a directory: {error.strerror}; choose another with --corpus"
        ) from error
    number = 1
    while True:
        name = entry.name if number == 1 else f"{entry.name}-{number}"
        path = directory / f"{name}{SUFFIX}"
        if path.exists():
            if _is_kept(entry, path, words):
                return path
        elif create(path, entry_text(entry.renamed(name))):
            return path
        else:
            continue  # somebody took the name just now: look at what they wrote
        number += 1


def rerecord(path: Path, entry: Entry) -> None:
    """Take over the result of ``entry`` into the file; whatever a person wrote there stays.

    Raises:
        EntryError: if the file cannot be read.
        SaveError: if it cannot be written; the file is as it was.
    """
    text = read(path).decode("utf-8").replace("\r\n", "\n")
    replace(path, rewrite(text, entry))


def read(path: Path) -> bytes:
    """The content of a file.

    Raises:
        EntryError: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise EntryError(
            f"{path}: cannot be read: {error.strerror}; give the path of an entry of the corpus"
        ) from error


def _is_kept(entry: Entry, path: Path, words: Vocabulary) -> bool:
    # An entry that cannot be read has a name that is taken, and is somebody else's trouble:
    # a finding is not to be lost over it.
    try:
        return load(path, words).same_test(entry)
    except EntryError:
        return False
