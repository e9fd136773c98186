from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from calling import Run, one_object

from fuzz.campaign import Campaign
from fuzz.commands import progress as progress_module
from fuzz.commands.progress import progress
from fuzz.commands.status import Status, status_of, worst
from fuzz.engine.verdict import Outcome

ROOT = Path(__file__).parents[2]

WRONG = {
    "no kernel": (["run"], "Missing option '--kernel'"),
    "an unknown kernel": (["run", "--kernel", "linux-6.3"], "there is no kernel 'linux-6.3'; did you mean"),
    "a missing file": (["run", "--kernel", "missing.py"], "missing.py: cannot be read: No such file or directory"),
    "two limits": (
        ["run", "--kernel", "linux-6.4", "--minutes", "2", "--schedules", "9"],
        "--minutes 2 and --schedules 9 exclude each other; give one.",
    ),
    "two modes": (["replay", "x", "--lenient", "--continue"], "--lenient and --continue exclude each other; give one."),
    "no minutes": (["run", "--kernel", "linux-6.4", "--minutes", "0"], "0.0 is not in the range x>0"),
    "no schedules": (["run", "--kernel", "linux-6.4", "--schedules", "0"], "0 is not in the range x>=1"),
    "a negative seed": (["run", "--kernel", "linux-6.4", "--seed", "-1"], "-1 is not in the range x>=0"),
    "an unknown table": (["list", "bugs"], "'bugs' is not one of 'kernels', 'operations', 'promises'"),
    "an unknown command": (["walk"], "No such command 'walk'"),
    "a missing entry": (["replay", "missing.toml"], "missing.toml: there is no such file or directory; "),
    "no entries": (["replay", "."], ".: there are no entries; name another directory, or find some"),
    "a missing entry to show": (["show", "missing.toml"], "missing.toml: cannot be read: No such file or directory; "),
    "a directory to record": (["rerecord", "."], ".: cannot be read: Is a directory; give the path of an entry"),
    "nothing to verify": (["verify", "--kernel", "linux-6.4"], "Give one of --entry, --program and --all-programs"),
    "a page nowhere": (
        ["show", "entry.toml", "--html", "no/where.html"],
        "no/where.html: could not be written: No such",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_usage_is_status_2_and_a_message_with_the_value(
    name: str, plain: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plain.parent)
    Path("empty").mkdir()
    monkeypatch.chdir(plain.parent if "entry.toml" in WRONG[name][0] else "empty")
    arguments, message = WRONG[name]

    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_an_input_error_is_told_to_a_machine_too(run: Run) -> None:
    for wrong in (["--kernel", "linux-6.3"], ["--kernel", "linux-6.4", "--minutes", 2, "--schedules", 9], []):
        result = run("run", *wrong, "--json")
        assert result.exit_code == 2
        assert one_object(result)["error"] in result.stderr


def test_a_crash_of_ours_is_never_taken_for_a_finding(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object, **__: object) -> Campaign:
        raise RuntimeError("we did not think of this")

    monkeypatch.setattr(Campaign, "search", crash)

    result = run("run", "--kernel", "linux-6.4", "--jobs", 1, "--json")
    assert result.exit_code == Status.CRASHED
    assert "RuntimeError: we did not think of this\nThis is a bug of pagecache-fuzz" in result.stderr
    assert "we did not think of this" in json.loads(result.stdout)["error"]


def test_what_was_found_before_an_interrupt_is_saved(
    canary: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = Campaign.search

    def interrupted(*arguments: Any, progress: Any, **options: Any) -> Campaign:
        campaign = search(*arguments, **options)
        findings = list(campaign.findings)
        campaign.findings.clear()
        progress(campaign)
        campaign.findings += findings  # found, and Ctrl-C before the next look
        raise KeyboardInterrupt

    monkeypatch.setattr(Campaign, "search", interrupted)

    result = run("run", "--kernel", canary, "--schedules", 1000, "--corpus", tmp_path)
    assert result.exit_code == Status.INTERRUPTED
    assert "interrupted" in result.stderr
    assert len(list(tmp_path.iterdir())) == 1


def test_the_log_goes_to_standard_error_and_may_be_json(canary: Path, tmp_path: Path, run: Run) -> None:
    arguments = ["run", "--kernel", canary, "--schedules", 1000, "--corpus", tmp_path, "--json"]

    for options in (["--log-level", "info", "--log-json"], ["--log-json", "--log-level=info"]):
        result = run(*arguments, *options)
        events = [json.loads(line) for line in result.stderr.splitlines()]
        assert [event["event"] for event in events] == ["campaign", "saved", "campaign ended"]
        assert json.loads(result.stdout)["verdict"] == "violated"
    before = run("--log-level", "info", *arguments)
    assert "campaign ended" in before.stderr
    assert json.loads(before.stdout)["verdict"] == "violated"
    assert run(*arguments).stderr == ""


def test_progress_is_for_terminals_and_for_what_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def shown(stream: io.StringIO, delay: float) -> str:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setattr(progress_module, "DELAY", delay)
        with progress() as show:
            show("12 schedules [of] a program")
        return stream.getvalue()

    assert "12 schedules [of] a program" in shown(Terminal(), 0)
    assert shown(Terminal(), 60) == ""
    assert shown(io.StringIO(), 0) == ""


def test_each_outcome_has_its_status() -> None:
    assert {outcome: status_of(outcome).value for outcome in Outcome} == {
        Outcome.HELD: 0,
        Outcome.VIOLATED: 1,
        Outcome.DEADLOCK: 1,
        Outcome.LIVELOCK: 1,
        Outcome.UNKNOWN: 3,
    }
    assert worst([Status.HELD, Status.DIFFERS, Status.VIOLATED]) is Status.DIFFERS
    assert worst([]) is Status.HELD


# As a process of its own


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fuzz", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ourselves


def test_a_process_answers_on_standard_output_and_with_its_status(canary: Path, tmp_path: Path) -> None:
    done = process(
        "run", "--kernel", canary, "--schedules", 1000, "--corpus", tmp_path, "--json", "--log-level", "info"
    )

    assert done.returncode == 1
    assert json.loads(done.stdout)["promise"] == "no_kernel_assertion_fails"
    assert "campaign ended" in done.stderr
    assert "\x1b[" not in done.stdout + done.stderr  # no colours, since nobody looks


def test_a_process_says_what_was_wrong_on_standard_error(tmp_path: Path) -> None:
    done = process("replay", tmp_path / "missing.toml")

    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no such file or directory" in done.stderr


def test_a_reader_that_goes_away_is_not_a_finding() -> None:
    command = [sys.executable, "-c", "from fuzz.cli import main; main()", "list"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:  # noqa: S603
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        message = child.stderr.read()

    assert child.returncode == Status.INTERRUPTED
    assert b"Traceback" not in message
