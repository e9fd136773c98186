"""Write a file whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

from fuzz.errors import SaveError

__all__ = ["create", "replace"]

NO_HARD_LINKS: Final = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What link(2) says on a file system that has none (FAT, some network file systems)."""


def replace(path: Path, text: str) -> None:
    """Make ``text`` the content of ``path``, whatever was there.

    The text goes to a file beside it, reaches the disk, and takes the name in one step: whoever looks, also after
    a power cut, sees the old file or the new one.

    Raises:
        SaveError: if it cannot be written; the old file is untouched.
    """
    temporary = _temporary(path)
    try:
        _write(temporary, text)
        temporary.replace(path)
    except OSError as error:
        raise _save_error(path, error) from error
    finally:
        _remove(temporary)
    _sync_directory(path.parent)


def create(path: Path, text: str) -> bool:
    """Write ``path`` if there is no such file; returns whether it was written.

    A hard link takes the name only if it is free, so two campaigns that save at once cannot overwrite each other.

    Raises:
        SaveError: if it cannot be written; there is no such file then.
    """
    temporary = _temporary(path)
    try:
        _write(temporary, text)
        created = _take_name(temporary, path)
    except OSError as error:
        raise _save_error(path, error) from error
    finally:
        _remove(temporary)
    _sync_directory(path.parent)
    return created


def _take_name(temporary: Path, path: Path) -> bool:
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        if path.exists():
            return False
        temporary.replace(path)
    return True


def _temporary(path: Path) -> Path:
    """A name that no reader of ``*.toml`` takes for an entry, and no other process for its own."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _write(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _remove(temporary: Path) -> None:
    # If even this fails, the error that brought us here matters more.
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    """Let the new name reach the disk too, where directories can be synced; the file itself has arrived."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _save_error(path: Path, error: OSError) -> SaveError:
    return SaveError(
        f"{path}: could not be written: {error.strerror or error}; what was there before is unchanged. "
        "Make room or choose another directory, and try again."
    )
