"""``pagecache-fuzz verify`` with programs from files, bounds, and all programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from calling import Run, one_object
from program_files import PROGRAM

from fuzz import census
from pagecache.operations import Read, SeekHole
from pagecache.world import VmaSpec, WorldSpec
from strategies.case import Program
from strategies.enumeration import COLLAPSE
from strategies.programs import named


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.toml"
    path.write_text(PROGRAM)
    return path


@pytest.fixture(autouse=True)
def few_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A census of four programs."""

    def every_program(_world: WorldSpec) -> Iterator[Program]:
        yield named(((COLLAPSE,),))
        yield named(((COLLAPSE,), (Read(1),)))
        yield named(((COLLAPSE,), (SeekHole(1),)))
        yield named(((COLLAPSE,), (Read(1), SeekHole(1))))

    monkeypatch.setattr(census, "every_program", every_program)
    monkeypatch.setattr(census, "WORLDS", (WorldSpec(("data", "data"), vmas=(VmaSpec(),)),))


@pytest.mark.parametrize("more", [[], ["--dpor"], ["--deviations", "1"], ["--preemptions", "1"]])
def test_a_program_from_a_file_is_verified(program: Path, run: Run, more: list[str]) -> None:
    program.write_text(PROGRAM.replace('op = "SeekData", index = 0', 'op = "Read", index = 1'))  # the fewest states

    result = run("verify", "--kernel", "linux-2026-mended", "--program", program, *more)

    assert result.exit_code == 0
    assert result.stdout.startswith("Never: all schedules")
    assert ("Not judged with --dpor" in result.stdout) == (more == ["--dpor"])


def test_the_shortest_counterexample_is_shown(program: Path, run: Run) -> None:
    result = run("verify", "--kernel", "linux-6.2", "--program", program)

    assert result.exit_code == 1
    assert "Broken promise: " in result.stdout
    assert "Minimal: no schedule with fewer than 1 deviation fails." in result.stdout


def test_a_program_that_cannot_be_read_is_wrong_usage(program: Path, run: Run) -> None:
    program.write_text(PROGRAM.replace("SeekData", "SeekDate"))
    result = run("verify", "--kernel", "linux-6.2", "--program", program)

    assert result.exit_code == 2
    assert "did you mean 'SeekData'?" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give one of --entry, --program and --all-programs"),
        (["--all-programs", "--entry", "x.toml"], "Give one of --entry, --program and --all-programs"),
        (["--all-programs", "--dpor", "--deviations", "1"], "exclude each other"),
    ],
)
def test_what_contradicts_itself_is_wrong_usage(arguments: list[str], message: str, run: Run) -> None:
    result = run("verify", "--kernel", "linux-6.4", *arguments)

    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize("jobs", [1, 2])
def test_all_programs_never_fail(jobs: int, run: Run) -> None:
    answer = one_object(run("verify", "--kernel", "linux-2026-mended", "--all-programs", "--jobs", str(jobs), "--json"))

    assert (answer["verdict"], answer["exhausted"], answer["programs"]) == ("held", True, 4)
    assert answer["states"] > 300


def test_all_programs_list_the_different_failures(run: Run) -> None:
    result = run("verify", "--kernel", "linux-6.2", "--all-programs")

    assert result.exit_code == 1
    assert "Violated: Every call is explained by a sparse file." in result.stdout
    assert "Collapse || SeekHole" in result.stdout
    assert "Collapse || Read; SeekHole" not in result.stdout  # the SeekHole alone is enough


def test_an_interrupted_census_goes_on(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state.json"
    arguments = ["verify", "--kernel", "linux-2026-mended", "--all-programs", "--state", str(state), "--json"]
    first = run(*arguments, "--minutes", "0.0001")
    kept = len(json.loads(state.read_text())["programs"])

    assert first.exit_code == 3
    assert 0 < kept < 4

    looked_at: list[object] = []
    look_at = census.look_at
    monkeypatch.setattr(census, "look_at", lambda *given: looked_at.append(given) or look_at(*given))
    second = one_object(run(*arguments))

    assert len(looked_at) == 4 - kept
    assert (second["verdict"], second["programs"]) == ("held", 4)


def test_a_census_of_something_else_is_not_continued(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state.json"
    run("verify", "--kernel", "linux-2026-mended", "--all-programs", "--state", state)
    other = run("verify", "--kernel", "linux-2026", "--all-programs", "--state", state)
    monkeypatch.setattr(census, "WORLDS", (WorldSpec(("data", "hole"), vmas=(VmaSpec(),)),))
    elsewhere = run("verify", "--kernel", "linux-2026-mended", "--all-programs", "--state", state)
    state.write_text("{}")
    broken = run("verify", "--kernel", "linux-2026", "--all-programs", "--state", state)

    assert other.exit_code == elsewhere.exit_code == broken.exit_code == 2
    assert "its kernel is 'linux-2026-mended', but this is 'linux-2026'" in other.stderr
    assert "its list of worlds is ['data data'], but this is ['data hole']" in elsewhere.stderr
    assert "cannot be read as the state of a verification" in broken.stderr


def test_the_worlds_can_be_chosen(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = ("data", "data"), ("hole", "data")
    worlds = tuple(WorldSpec(each, vmas=(VmaSpec(missing=missing),)) for each in pages for missing in (False, True))
    monkeypatch.setattr(census, "WORLDS", worlds)
    arguments = ["verify", "--kernel", "linux-6.2", "--all-programs", "--deviations", "1", "--json"]
    everywhere = one_object(run(*arguments))
    in_two = one_object(run(*arguments, "--world", "hole data", "--world", "data data; registered"))
    nowhere = run(*arguments, "--world", "data; registered")

    assert (everywhere["programs"], in_two["programs"]) == (16, 8)
    assert {failure["world"] for failure in in_two["failures"]} <= {"hole data", "data data"}
    assert nowhere.exit_code == 2
    assert "is not one of 'data data', 'data data; registered'" in nowhere.stderr


def test_a_promise_can_be_set_aside(run: Run) -> None:
    arguments = ["verify", "--kernel", "linux-6.2", "--all-programs", "--json"]
    answer = one_object(run(*arguments, "--without", "every_call_is_explained_by_a_sparse_file"))

    assert (answer["verdict"], answer["failures"]) == ("held", [])
