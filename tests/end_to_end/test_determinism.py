"""The same case, the same run: a thousand times, in any process, under any Python.

A run depends on its case and on nothing else: not on time, ``id()``, the order of sets, or what ran before.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from fuzz.campaign import Campaign
from fuzz.corpus.store import entry_paths, load
from fuzz.corpus.vocabulary import vocabulary
from fuzz.report.examine import subject_of
from fuzz.subject import Subject
from pagecache.kernels import KERNELS_BY_NAME

REPOSITORY: Final = Path(__file__).parent.parent.parent
CORPUS: Final = REPOSITORY / "corpus"

PYTHONS: Final = ("python3.11", "python3.12", "python3.13")
HASH_SEEDS: Final = ("0", "1", "2")

CAMPAIGN: Final = ("run", "--kernel", "linux-6.2", "--schedules", "150", "--seed", "3", "--keep-going", "--json")

entries = pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in entry_paths(CORPUS)])


def replay(path: Path, times: int) -> None:
    """Replay an entry by both drivers, again and again."""
    entry = load(path, vocabulary())
    subject = subject_of(KERNELS_BY_NAME[entry.case.kernel], entry.broken)
    for _ in range(times):
        for run in (subject.reference(entry.case), subject.run(entry.case, record=True)):
            assert run.history is not None
            assert tuple(run.history.lines()) == entry.steps
            assert (run.verdict.outcome, run.verdict.promise) == (entry.outcome, entry.broken)
            assert run.deviations == entry.case.schedule


@entries
def test_an_entry_replays_the_same_way(path: Path) -> None:
    replay(path, times=5)


@pytest.mark.slow
@entries
def test_an_entry_replays_the_same_way_a_thousand_times(path: Path) -> None:
    replay(path, times=1_000)


def test_there_is_something_to_replay() -> None:
    assert entry_paths(CORPUS)


def test_two_campaigns_from_one_seed_are_one() -> None:
    campaigns = [Campaign.search(Subject(KERNELS_BY_NAME["linux-6.2"]), 3, 150, keep_going=True) for _ in range(2)]

    assert campaigns[0].findings
    assert campaigns[0] == campaigns[1]


def test_two_campaigns_from_two_seeds_are_not() -> None:
    campaigns = [Campaign.search(Subject(KERNELS_BY_NAME["linux-2026"]), seed, 100) for seed in range(2)]

    assert campaigns[0] != campaigns[1]


def said(command: Sequence[str], arguments: Sequence[str], corpus: Path, hash_seed: str) -> tuple[Any, dict[str, str]]:
    """What a command answers, without times and paths, and what it leaves in ``corpus``."""
    done = subprocess.run(  # noqa: S603 - our own
        [*command, *arguments, *(["--corpus", str(corpus)] if arguments[0] == "run" else [])],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    kept = {path.name: path.read_text() for path in corpus.iterdir()} if corpus.exists() else {}
    return _without(json.loads(done.stdout)), kept


def _without(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {key: _without(value) for key, value in answer.items() if key not in ("seconds", "entry")}
    return list(map(_without, answer)) if isinstance(answer, list) else answer


def test_the_hash_seed_makes_no_difference(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "fuzz")
    answers = [said(command, CAMPAIGN, tmp_path / hash_seed, hash_seed) for hash_seed in HASH_SEEDS[:2]]

    assert answers[0][0]["findings"]
    assert answers[0][1]
    assert answers[0] == answers[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, ...]]:
    """By Python, the command line of a fresh installation; where there is none, left out."""
    commands: dict[str, tuple[str, ...]] = {}
    # From a copy, because setuptools builds where the sources are.
    ignored = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__")
    sources = shutil.copytree(REPOSITORY, tmp_path_factory.mktemp("sources") / "sources", ignore=ignored)
    for python in PYTHONS:
        executable = _executable(python)
        if executable is None:
            continue
        venv = tmp_path_factory.mktemp(python) / "venv"
        subprocess.run([executable, "-m", "venv", str(venv)], check=True)  # noqa: S603
        pip = [str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        if subprocess.run([*pip, str(sources)], check=False).returncode == 0:  # noqa: S603
            commands[python] = (str(venv / "bin" / "pagecache-fuzz"),)
    return commands


def _executable(name: str) -> str | None:
    """Where that Python is, if it is what its name says: a version manager's shim may be there without it."""
    versions = sorted(Path.home().glob(f".pyenv/versions/{name.removeprefix('python')}.*/bin/{name}"))
    for found in (*map(str, versions), shutil.which(name)):
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:  # noqa: S603
            return found
    return None


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_every_python_says_the_same(python: str, installed: dict[str, tuple[str, ...]], tmp_path: Path) -> None:
    if python not in installed:
        pytest.skip(f"there is no {python} here, or no package index to install from")
    here = (sys.executable, "-m", "fuzz")
    for number, arguments in enumerate((("replay", "corpus", "--json"), CAMPAIGN)):
        expected = said(here, arguments, tmp_path / f"{number}", "0")
        for hash_seed in HASH_SEEDS:
            assert said(installed[python], arguments, tmp_path / f"{number}-{hash_seed}", hash_seed) == expected
