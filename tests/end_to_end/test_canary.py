"""The canary sings: found, shrunk to nothing else, saved, shown, replayed, verified."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fuzz.cli import main
from fuzz.corpus.store import load
from fuzz.corpus.vocabulary import vocabulary
from fuzz.kernel_file import find_kernel
from pagecache.operations import Collapse
from pagecache.world import WorldSpec
from strategies.case import Case
from strategies.programs import named

REPOSITORY = Path(__file__).parent.parent.parent
CANARY = Path(__file__).parent / "canary.py"
PROMISE = "no_kernel_assertion_fails"
MINIMAL = Case("canary", WorldSpec(), named([(Collapse(0),)]))

Call = Callable[..., Result]


@pytest.fixture(scope="module")
def call() -> Call:
    """Call the command line; an exception that it does not turn into a status is an error of the test."""
    return lambda *arguments: CliRunner(catch_exceptions=False).invoke(main, list(map(str, arguments)))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture(scope="module")
def found(corpus: Path, call: Call) -> Result:
    return call("run", "--kernel", CANARY, "--schedules", 50, "--corpus", corpus)


@pytest.fixture
def entry(found: Result, corpus: Path) -> Path:
    assert found.exit_code == 1
    (entry,) = corpus.iterdir()
    return entry


def answer(result: Result) -> dict[str, Any]:
    return dict(json.loads(result.stdout))


def test_it_is_found(found: Result) -> None:
    assert found.exit_code == 1
    assert "Broken promise: No kernel assertion fails." in found.stdout
    assert "xas_store() by khugepaged without the xa_lock" in found.stdout
    assert found.stderr == ""


def test_it_is_shrunk_to_a_collapse_and_no_deviation(entry: Path) -> None:
    kept = load(entry, vocabulary(find_kernel(str(CANARY))))

    assert kept.case == MINIMAL
    assert kept.minimal == "the sequential schedule fails"


def test_it_is_saved_under_its_promise_and_program(entry: Path) -> None:
    assert entry.name == f"{PROMISE}+collapse.toml"


def test_it_is_saved_once(entry: Path, corpus: Path, call: Call) -> None:
    again = call("run", "--kernel", CANARY, "--schedules", 50, "--seed", 5, "--corpus", corpus)

    assert again.exit_code == 1
    assert list(corpus.iterdir()) == [entry]


def test_it_is_shown(entry: Path, tmp_path: Path, call: Call) -> None:
    html = tmp_path / "canary.html"
    shown = call("show", entry, "--kernel", CANARY, "--html", html)

    assert shown.exit_code == 0
    assert "xas_store(0, None)" in shown.stdout
    assert "xas_store(0, None)" in html.read_text()


def test_it_is_replayed(entry: Path, call: Call) -> None:
    replayed = call("replay", entry, "--kernel", CANARY, "--json")

    assert replayed.exit_code == 1
    assert (answer(replayed)["promise"], answer(replayed)["difference"]) == (PROMISE, None)


def test_it_is_verified(entry: Path, call: Call) -> None:
    assert call("verify", "--entry", entry, "--kernel", CANARY).exit_code == 1


def test_a_mended_one_never_does_it(entry: Path, tmp_path: Path, call: Call) -> None:
    mended = tmp_path / "canary.py"
    mended.write_text(
        CANARY.read_text().replace("collapse_file=collapse_file", "collapse_file=LINUX_6_4.collapse_file")
    )

    verified = call("verify", "--entry", entry, "--kernel", mended, "--json")

    assert verified.exit_code == 0
    assert (answer(verified)["verdict"], answer(verified)["exhausted"]) == ("held", True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    await xas_store(xas, None)\n", "    await xas_load(xas)\n    await xas_store(xas, None)\n"),
        ("    await xas_store(xas, None)\n", ""),
    ],
    ids=["another way", "another end"],
)
def test_a_changed_kernel_differs(entry: Path, tmp_path: Path, call: Call, old: str, new: str) -> None:
    text = CANARY.read_text()
    assert text.count(old) == 1
    changed = tmp_path / "canary.py"
    changed.write_text(text.replace("import XaState, ", "import XaState, xas_load, ").replace(old, new))

    replayed = call("replay", entry, "--kernel", changed, "--json")

    assert replayed.exit_code == 4
    assert answer(replayed)["difference"]["recorded"] == "khugepaged xas_store(0, None)"


def test_it_is_heard_from_a_shell(tmp_path: Path) -> None:
    kernel = str(CANARY.relative_to(REPOSITORY))
    command = [sys.executable, "-m", "fuzz", "run", "--kernel", kernel, "--schedules", "50", "--json"]

    done = subprocess.run(  # noqa: S603 - our own
        [*command, "--corpus", str(tmp_path)],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (1, "")
    said = json.loads(done.stdout)
    assert (said["kernel"], said["verdict"], said["promise"]) == ("canary", "violated", PROMISE)
    assert (said["tasks"], said["operations"], said["deviations"]) == (1, 1, 0)
    assert Path(said["entry"]).parent == tmp_path
