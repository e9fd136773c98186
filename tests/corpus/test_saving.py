from __future__ import annotations

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from entries import ENTRY, NAME, WORDS

from fuzz.corpus.entry import NAME_MAX, Entry, entry_name
from fuzz.corpus.entry_writer import entry_text
from fuzz.corpus.store import entry_paths, load, rerecord, save
from fuzz.engine.verdict import Outcome
from fuzz.errors import EntryError, SaveError
from pagecache.operations import Load
from strategies.case import Program, TaskSpec

ROOT = Path(__file__).parents[2]
OTHER = dataclasses.replace(ENTRY, case=dataclasses.replace(ENTRY.case, schedule=()))


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_an_entry_is_kept_under_its_name(tmp_path: Path) -> None:
    path = save(ENTRY, tmp_path / "new" / "corpus", WORDS)

    assert path == tmp_path / "new" / "corpus" / f"{NAME}.toml"
    assert files(path.parent) == [path.name]
    assert load(path, WORDS) == ENTRY


def test_another_case_of_the_same_name_gets_a_number(tmp_path: Path) -> None:
    paths = [save(entry, tmp_path, WORDS) for entry in (ENTRY, OTHER, ENTRY, OTHER)]

    assert [path.name for path in paths] == [f"{NAME}.toml", f"{NAME}-2.toml"] * 2
    assert load(paths[0], WORDS) == ENTRY
    second = load(paths[1], WORDS)
    assert second.same_test(OTHER)
    assert second.head.splitlines()[0] == f"# {NAME}-2"


def test_saving_the_same_case_again_leaves_what_a_person_wrote(tmp_path: Path) -> None:
    path = save(ENTRY, tmp_path, WORDS)
    path.write_text("# my own words\n" + path.read_text())
    before = path.read_bytes()

    save(dataclasses.replace(ENTRY, found=None, head="# something else"), tmp_path, WORDS)

    assert path.read_bytes() == before


def test_a_finding_is_not_lost_over_an_unreadable_entry_of_its_name(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.toml").write_text("half an en")

    assert save(ENTRY, tmp_path, WORDS).name == f"{NAME}-2.toml"
    assert (tmp_path / f"{NAME}.toml").read_text() == "half an en"


def test_a_long_program_has_a_name_that_file_systems_take(tmp_path: Path) -> None:
    program = Program((TaskSpec("load", (Load(0),) * 99),))
    name = entry_name(dataclasses.replace(ENTRY.case, program=program), ENTRY.broken)

    assert len(name) == NAME_MAX
    save(dataclasses.replace(ENTRY, name=name), tmp_path, WORDS)


def test_rerecording_takes_the_result_and_keeps_the_rest(tmp_path: Path) -> None:
    path = save(ENTRY, tmp_path, WORDS)
    path.write_text(path.read_text().replace("# SEEK_HOLE takes", "# I say that SEEK_HOLE takes"))
    held = dataclasses.replace(ENTRY, outcome=Outcome.HELD, broken="", steps=("lseek SeekHole(index=1)",))

    rerecord(path, held)

    assert load(path, WORDS) == held
    assert "# I say that SEEK_HOLE takes" in path.read_text()
    assert files(tmp_path) == [path.name]


def test_the_entries_of_a_directory_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.toml", "a.toml", "README.md", ".a.toml.7.tmp", ".hidden.toml"):
        (tmp_path / name).touch()

    assert [path.name for path in entry_paths(tmp_path)] == ["a.toml", "b.toml"]
    assert entry_paths(tmp_path / "b.toml") == [tmp_path / "b.toml"]


def test_what_cannot_be_read_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "directory.toml").mkdir()
    for path in (tmp_path / "missing.toml", tmp_path / "directory.toml"):
        with pytest.raises(EntryError, match=f"^{path}: cannot be read: .*; give the path of an entry"):
            load(path, WORDS)
    with pytest.raises(EntryError, match="there is no such file or directory"):
        entry_paths(tmp_path / "missing")


def test_a_corpus_that_cannot_be_a_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SaveError, match=r"cannot be made a directory: .*; choose another with --corpus"):
        save(ENTRY, tmp_path / "file", WORDS)


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "hardlink_to"])
def test_a_full_disk_leaves_the_old_file_and_no_litter(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(ENTRY, tmp_path, WORDS)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if call == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    elif call == "write":
        opened = Path.open

        def open_full(self: Path, *arguments: str, **options: str) -> object:
            file = opened(self, *arguments, **options)  # type: ignore[call-overload]
            if arguments[:1] == ("w",):
                monkeypatch.setattr(file, "flush", full)
            return file

        monkeypatch.setattr(Path, "open", open_full)
    else:
        monkeypatch.setattr(Path, call, full)

    if call != "hardlink_to":
        with pytest.raises(SaveError, match=r"No space left on device; what was there before is unchanged. Make room"):
            rerecord(path, OTHER)
    if call != "replace":
        with pytest.raises(SaveError, match="No space left on device"):
            save(OTHER, tmp_path, WORDS)
    assert files(tmp_path) == [path.name]
    assert path.read_bytes() == before


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", refuse)

    assert [save(entry, tmp_path, WORDS).name for entry in (ENTRY, OTHER)] == [f"{NAME}.toml", f"{NAME}-2.toml"]
    assert files(tmp_path) == [f"{NAME}-2.toml", f"{NAME}.toml"]


def test_two_campaigns_that_save_at_once_do_not_overwrite_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = Path.exists

    def late(self: Path) -> bool:
        """The other one takes the name just after we have looked."""
        there = looked(self)
        if self.name == f"{NAME}.toml" and not there:
            self.write_text(entry_text(OTHER))
        return there

    monkeypatch.setattr(Path, "exists", late)

    assert save(ENTRY, tmp_path, WORDS).name == f"{NAME}-2.toml"
    assert load(tmp_path / f"{NAME}.toml", WORDS) == OTHER


def child(code: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a process of its own, with an entry ``new`` to be recorded into ``path``."""
    prelude = f"""
        import dataclasses, os, resource, signal, sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from entries import ENTRY, NAME
        from fuzz.corpus import atomic
        from fuzz.corpus.store import rerecord
        path = Path({str(directory)!r}) / f"{{NAME}}.toml"
        new = dataclasses.replace(ENTRY, steps=("lseek " + "x" * 100_000,))
        """
    return subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-c", textwrap.dedent(prelude) + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def test_a_write_that_stops_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = save(ENTRY, tmp_path, WORDS)

    done = child("resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\nrerecord(path, new)", tmp_path)

    assert "SaveError" in done.stderr
    assert "File too large" in done.stderr
    assert load(path, WORDS) == ENTRY
    assert files(tmp_path) == [path.name]


@pytest.mark.parametrize("place", ["_write", "_sync_directory"])
def test_a_killed_process_leaves_the_old_file_or_the_new_one(place: str, tmp_path: Path) -> None:
    path = save(ENTRY, tmp_path, WORDS)
    kill = f"""
        done = atomic.{place}
        def die(*arguments):
            done(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)
        atomic.{place} = die
        rerecord(path, new)
        """

    assert child(kill, tmp_path).returncode == -signal.SIGKILL

    new = dataclasses.replace(ENTRY, steps=("lseek " + "x" * 100_000,))
    expected: Entry = ENTRY if place == "_write" else new
    assert [load(each, WORDS) for each in entry_paths(tmp_path)] == [expected]
    rerecord(path, new)
    assert load(path, WORDS) == new
