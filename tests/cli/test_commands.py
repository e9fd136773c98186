from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from calling import Run, one_object
from click.testing import Result
from kernel_files import write

from fuzz.campaign import Campaign
from fuzz.corpus.store import load
from fuzz.corpus.vocabulary import vocabulary
from fuzz.engine.verdict import Outcome, Verdict
from fuzz.kernel_file import find_kernel
from fuzz.search import proof
from fuzz.search.exhaustive import Exhausted
from fuzz.subject import Subject
from pagecache.kernels import FUZZED
from pagecache.operations import OPERATIONS
from pagecache.promises import PROMISES

CORPUS = Path(__file__).parents[2] / "corpus"
COMMON = {
    "kernel",
    "verdict",
    "promise",
    "sentence",
    "schedules",
    "seconds",
    "entry",
    "tasks",
    "operations",
    "deviations",
}


def campaign(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> list[dict[str, Any]]:
    """Replace the campaign by one that has ended already; returns how it was called."""
    calls: list[dict[str, Any]] = []

    def search(subject: Subject, seed: int, schedules: int | None, **options: Any) -> Campaign:
        calls.append({"kernel": subject.kernel.name, "seed": seed, "schedules": schedules, **options})
        return Campaign(schedules=12, programs=3, **fields)

    monkeypatch.setattr(Campaign, "search", search)
    return calls


# list


def test_list_names_everything_there_is(run: Run) -> None:
    names = [each.name for each in (*FUZZED, *PROMISES)] + [kind.__name__ for kind in OPERATIONS]

    result = run("list")
    assert result.exit_code == 0
    for name in [*names, "no_deadlock"]:
        assert re.search(rf"^  {re.escape(name)} +\w", result.stdout, re.MULTILINE), name


def test_list_as_json_is_one_object(run: Run) -> None:
    assert set(one_object(run("list", "--json"))) == {"kernels", "operations", "promises", "history"}
    assert list(one_object(run("list", "kernels", "--json"))["kernels"]) == [kernel.name for kernel in FUZZED]


# run


def test_a_canary_is_found_shrunk_saved_and_replayed(found: tuple[Path, Path, Result], run: Run) -> None:
    kernel, path, result = found

    assert result.exit_code == 1
    assert "Broken promise: No kernel assertion fails." in result.stdout
    assert "the canary sings" in result.stdout
    assert re.search(r"^1 found in \d+ schedules? of canary \(\d+ s, seed 0\)\.$", result.stdout, re.MULTILINE)
    assert result.stderr == ""

    kept = load(path, vocabulary(find_kernel(str(kernel))))
    assert kept.case.program.operations == 1
    assert kept.case.schedule == ()

    command = re.search(r"replay: (pagecache-fuzz .*)", result.stdout)
    assert command
    replayed = run(*shlex.split(command[1])[1:])
    assert replayed.exit_code == 1
    assert "the canary sings" in replayed.stdout


def test_run_as_json_is_one_object(canary: Path, tmp_path: Path, run: Run) -> None:
    result = run("run", "--kernel", canary, "--schedules", 1000, "--corpus", tmp_path, "--seed", 3, "--json")

    answer = one_object(result)
    assert result.exit_code == 1
    assert result.stderr == ""
    assert answer.keys() > COMMON
    assert (answer["kernel"], answer["verdict"], answer["promise"]) == (
        "canary",
        "violated",
        "no_kernel_assertion_fails",
    )
    assert (answer["tasks"], answer["operations"], answer["deviations"], answer["seed"]) == (1, 1, 0, 3)
    assert answer["entry"] == str(next(tmp_path.iterdir()))
    assert [each["entry"] for each in answer["findings"]] == [answer["entry"]]


def test_run_and_replay_say_why(tmp_path: Path, run: Run) -> None:
    found = one_object(run("run", "--kernel", "stevens-v5", "--schedules", 1000, "--corpus", tmp_path, "--json"))
    entry = next(tmp_path.iterdir())
    replayed = one_object(run("replay", entry, "--json"))

    assert found["findings"][0]["why"] == replayed["why"]
    assert replayed["why"]["window"].startswith("It fails if ")
    assert f"Why: {replayed['why']['window']}"[:60] in run("replay", entry).stdout
    assert one_object(run("replay", tmp_path, "--json"))["entries"][0]["why"] == replayed["why"]


def test_what_was_not_seen_held(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = campaign(monkeypatch)

    result = run("run", "--kernel", "linux-6.4", "--schedules", 12, "--keep-going")
    assert (result.exit_code, result.stdout) == (0, "Not seen in 12 schedules of linux-6.4 (0 s, seed 0).\n")
    assert [(call["kernel"], call["seed"], call["schedules"], call["keep_going"]) for call in calls] == [
        ("linux-6.4", 0, 12, True)
    ]
    assert not calls[0]["stop"]()

    answer = one_object(run("run", "--kernel", "linux-6.4", "--jobs", 1, "--json"))
    assert answer.keys() > COMMON
    assert (answer["verdict"], answer["promise"], answer["schedules"], answer["entry"]) == ("held", "", 12, None)


def test_minutes_end_a_campaign(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = campaign(monkeypatch)

    run("run", "--kernel", "linux-6.4", "--minutes", 1e-9, "--jobs", 1)
    assert calls[0]["schedules"] is None
    assert calls[0]["stop"]()


def test_without_a_number_of_schedules_every_cpu_searches(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 5})
    calls: list[dict[str, Any]] = []

    def search(*_: object, **options: Any) -> Campaign:
        calls.append(options)
        return Campaign(schedules=12)

    monkeypatch.setattr("fuzz.commands.run.search", search)
    result = run("run", "--kernel", "linux-6.4", "--seed", 4)
    assert result.stdout == "Not seen in 12 schedules of linux-6.4 (0 s, seeds 4 to 6).\n"
    answer = one_object(run("run", "--kernel", "linux-6.4", "--json"))
    assert (answer["seed"], answer["jobs"]) == (0, 3)
    run("run", "--kernel", "linux-6.4", "--schedules", 5)
    run("run", "--kernel", "linux-6.4", "--schedules", 5, "--jobs", 2)
    assert [options["jobs"] for options in calls] == [3, 3, 1, 2]


def test_a_campaign_without_a_verdict_is_inconclusive(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign(monkeypatch, unknown=Verdict(Outcome.UNKNOWN, "an_oracle_crashed", "KeyError: 'x'"))

    result = run("run", "--kernel", "linux-6.4")
    assert (result.exit_code, result.stdout) == (3, "No verdict: An oracle crashed.\nKeyError: 'x'\n")
    assert one_object(run("run", "--kernel", "linux-6.4", "--json"))["verdict"] == "unknown"


def test_a_kernel_that_does_not_work_is_no_finding(tmp_path: Path, run: Run) -> None:
    broken = """
        from pagecache.kernels import LINUX_6_4
        async def collapse_file(mm, mapping, start, cc):
            mapping.no_such_member
        KERNEL = LINUX_6_4.replace(name="broken", collapse_file=collapse_file)
        """
    path = write(tmp_path / "broken.py", broken)

    result = run("run", "--kernel", path, "--schedules", 1000, "--corpus", tmp_path / "corpus")
    assert result.exit_code == 3
    assert "No verdict: The model crashed." in result.stdout
    assert "no_such_member" in result.stdout
    assert not (tmp_path / "corpus").exists()


def test_a_finding_that_cannot_be_saved_is_printed_whole(canary: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "file").touch()

    result = run("run", "--kernel", canary, "--schedules", 1000, "--corpus", tmp_path / "file")
    assert result.exit_code == 1
    assert "cannot be made a directory" in result.stderr
    assert "[[task]]" in result.stderr
    assert "saved:" not in result.stdout
    assert "the canary sings" in result.stdout


# replay


def test_a_replay_that_differs_shows_both_and_has_a_status_of_its_own(entry: Path, canary: Path, run: Run) -> None:
    entry.write_text(entry.read_text().replace("canary(0)", "canary(7)"))

    result = run("replay", entry, "--kernel", canary)
    assert result.exit_code == 4
    assert re.search(
        r"ReplayMismatch: .*entry\.toml, step \d+\n  recorded   \w+ canary\(7\)\n  happened ", result.stdout
    )
    look = re.search(r"look:    (pagecache-fuzz replay .*)", result.stdout)
    assert look
    assert run(*shlex.split(look[1])[1:]).exit_code == 4

    answer = one_object(run("replay", entry, "--kernel", canary, "--json"))
    assert answer.keys() > COMMON
    assert answer["difference"]["recorded"].endswith("canary(7)")
    assert run("replay", entry, "--kernel", canary, "--lenient").exit_code == 1
    assert run("replay", entry, "--kernel", canary, "--continue").exit_code == 4


def test_a_verdict_that_differs_is_a_difference(entry: Path, canary: Path, run: Run) -> None:
    text = entry.read_text().replace('verdict = "violated"', 'verdict = "held"')
    entry.write_text(text.replace('broken = "no_kernel_assertion_fails"', 'broken = ""'))

    result = run("replay", entry, "--kernel", canary)
    assert result.exit_code == 4
    assert "recorded   held\n  happened   violated no_kernel_assertion_fails\n" in result.stdout


def test_on_another_kernel_only_the_verdict_counts(entry: Path, canary: Path, run: Run) -> None:
    entry.write_text(entry.read_text().replace('kernel = "canary"', 'kernel = "linux-4.8"'))

    assert run("replay", entry, "--kernel", canary).exit_code == 1
    held = run("replay", entry, "--kernel", "linux-6.4")
    assert (held.exit_code, "All promises held." in held.stdout) == (0, True)


def test_until_shows_the_beginning(entry: Path, canary: Path, run: Run) -> None:
    lines = run("replay", entry, "--kernel", canary, "--until", 2).stdout.splitlines()

    assert [line.split("|")[0].strip() for line in lines[:3]] == ["step", "1", "2"]
    assert re.fullmatch(r" +\.\.\. \d+ more", lines[3])
    assert len(lines) == 4


def test_a_directory_is_replayed_whole(entry: Path, canary: Path, run: Run) -> None:
    entry.with_name("second.toml").write_text(entry.read_text().replace("canary(0)", "canary(7)"))

    result = run("replay", entry.parent, "--kernel", canary)
    assert result.exit_code == 4
    assert result.stdout.startswith(f"{entry}  canary: violated: no_kernel_assertion_fails\n")
    answer = one_object(run("replay", entry.parent, "--kernel", canary, "--json"))
    assert answer.keys() > COMMON
    assert [each["difference"] is None for each in answer["entries"]] == [True, False]


def test_an_entry_that_cannot_be_read_is_never_skipped(entry: Path, canary: Path, run: Run) -> None:
    entry.with_name("z.toml").write_text(entry.read_text()[:-40])

    result = run("replay", entry.parent, "--kernel", canary)
    assert result.exit_code == 2
    assert re.match(r".*z\.toml, line \d+: not TOML: ", result.stderr)
    assert result.stdout == ""


# show, rerecord


def test_show_tells_the_story_and_what_happens(entry: Path, canary: Path, tmp_path: Path, run: Run) -> None:
    result = run("show", entry, "--kernel", canary, "--html", tmp_path / "page.html")

    assert result.exit_code == 0
    assert result.stdout.startswith("# no_kernel_assertion_fails+")
    assert "the canary sings" in result.stdout
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")
    answer = one_object(run("show", entry, "--kernel", canary, "--json"))
    assert answer.keys() > COMMON
    assert answer["steps"][-1].endswith("canary(0)")


def test_an_entry_written_by_hand_is_recorded_then_replayed(plain: Path, run: Run) -> None:
    assert run("replay", plain).exit_code == 4
    assert run("replay", plain, "--continue").exit_code == 0

    recorded = run("rerecord", plain)
    assert (recorded.exit_code, recorded.stderr) == (0, "")
    assert run("replay", plain).exit_code == 0
    assert run("rerecord", plain).stdout == f"{plain}: nothing has changed\n"
    answer = one_object(run("rerecord", plain, "--json"))
    assert answer.keys() > COMMON
    assert answer["changed"] is False


def test_rerecord_takes_the_verdict_of_now(entry: Path, canary: Path, run: Run) -> None:
    wrong = (
        entry.read_text().replace('"violated"', '"held"').replace('broken = "no_kernel_assertion_fails"', 'broken = ""')
    )
    entry.write_text(f"# mine\n{wrong}")

    assert run("rerecord", entry, "--kernel", canary).exit_code == 0
    assert run("replay", entry, "--kernel", canary).exit_code == 1
    assert entry.read_text().startswith("# mine\n# no_kernel")


def test_rerecord_proves_again_that_no_shorter_schedule_fails(tmp_path: Path, run: Run) -> None:
    entry = tmp_path / "entry.toml"
    before = (CORPUS / "every_call_is_explained_by_a_sparse_file+collapse+store.toml").read_text()
    assert 'minimal = "no schedule with fewer than 1 deviation fails (exhausted, 1 run)"' in before
    other = re.sub("minimal = .*", 'minimal = "it is said"', before)
    entry.write_text(other.replace(" down_read(", " up_and_away(", 1))

    assert run("rerecord", entry).exit_code == 0
    assert entry.read_text() == before


def test_rerecord_does_not_prove_what_is_not_so(tmp_path: Path, run: Run) -> None:
    """One of two deviations would do."""
    entry = tmp_path / "entry.toml"
    text = (CORPUS / "every_call_is_explained_by_a_sparse_file+collapse+store.toml").read_text()
    deviation = text[text.index("[[deviation]]") : text.index("[expect]")]
    longer = deviation.replace("visit = 1", "visit = 2")
    entry.write_text(text.replace(deviation, deviation + longer).replace(" down_read(", " up_and_away(", 1))

    assert run("rerecord", entry).exit_code == 0
    assert 'minimal = ""' in entry.read_text()


def test_rerecord_refuses_another_kernel_and_a_run_without_a_verdict(
    plain: Path, canary: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = plain.read_text()

    other = run("rerecord", plain, "--kernel", canary)
    assert (other.exit_code, "is about the kernel 'linux-6.4', not 'canary'; edit its" in other.stderr) == (2, True)

    async def crash(*_: object) -> None:
        raise AttributeError("no such thing")

    monkeypatch.setattr("pagecache.operations.Collapse.run", crash)
    unknown = run("rerecord", plain)
    assert (unknown.exit_code, "Nothing was recorded." in unknown.stdout) == (3, True)
    assert plain.read_text() == before


# verify


def test_verify_proves_that_a_program_keeps_its_promises(plain: Path, run: Run) -> None:
    result = run("verify", "--kernel", "linux-6.4", "--entry", plain)
    assert result.exit_code == 0
    assert re.match(
        r"Never: all schedules of .*Collapse\(start=0\) on linux-6\.4 are exhausted \(\d+ runs?, ", result.stdout
    )

    answer = one_object(run("verify", "--kernel", "linux-6.4", "--entry", plain, "--json"))
    assert answer.keys() > COMMON | {"states", "runs"}
    assert (answer["verdict"], answer["exhausted"]) == ("held", True)


def test_verify_finds_what_breaks(plain: Path, canary: Path, run: Run) -> None:
    result = run("verify", "--kernel", canary, "--entry", plain)

    assert result.exit_code == 1
    assert "the canary sings" in result.stdout
    assert one_object(run("verify", "--kernel", canary, "--entry", plain, "--json"))["verdict"] == "violated"


def test_a_search_that_ends_early_proves_nothing(plain: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = Exhausted(states=9, runs=2, limit="9 states are the limit")
    monkeypatch.setattr(proof, "search", lambda _make, **_: limited)

    result = run("verify", "--kernel", "linux-6.4", "--entry", plain)
    assert (result.exit_code, result.stdout) == (
        3,
        "Not seen in 2 runs, 9 states; not exhausted: 9 states are the limit.\n",
    )
    answer = one_object(run("verify", "--kernel", "linux-6.4", "--entry", plain, "--json"))
    assert (answer["verdict"], answer["states"], answer["exhausted"]) == ("unknown", 9, False)
