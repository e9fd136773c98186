"""``pagecache-fuzz ask``: the answers as text, as a table and as JSON."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from calling import Run, one_object

from fuzz.commands import ask as command
from fuzz.questions import PROPOSITIONS
from fuzz.questions.question import Word

README = Path(__file__).parents[2] / "README.md"


def test_a_proposition_as_text(run: Run) -> None:
    result = run("ask", "P2")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "P2  David Stevens: this particular race can't happen with either patch."
    assert "       Sometimes (1 deviation), claimed Never" in lines
    assert "       khugepaged at try_to_unmap_flush#1: run store" in lines
    assert "       corpus/every_call_is_explained_by_a_sparse_file+collapse+store.toml" in lines
    assert lines[-1] == "     Agrees: in part; v2 lets the page in, sees it, and rolls back."


def test_a_proposition_as_json(run: Run) -> None:
    told = one_object(run("ask", "p18", "--json"))["propositions"]

    assert [one["proposition"] for one in told] == ["P18"]
    assert told[0]["agrees"] == "yes"
    assert [(one["kernel"], one["answer"], one["claimed"]) for one in told[0]["answers"]] == [
        ("stevens-v1", "Sometimes", "Sometimes")
    ]


def test_a_table_for_the_readme(run: Run) -> None:
    lines = run("ask", "P18", "--markdown").stdout.splitlines()

    assert lines[:2] == ["| | Claim | Asked | Answer | Agrees |", "|---|---|---|---|---|"]
    assert lines[2].startswith("| P18 | Yang Shi: the vma of v1 may be stale | `stevens-v1`: is a freed vma used? |")
    assert {line.count("|") for line in lines} == {6}


def test_the_table_of_the_readme_has_every_claim() -> None:
    table = README.read_text(encoding="utf-8")

    for told in PROPOSITIONS:
        assert f"| {told.name} | {told.who}: {told.claim} |" in table


@pytest.mark.slow
def test_the_table_of_the_readme_is_what_is_printed(run: Run) -> None:
    table = run("ask", "--markdown").stdout.strip()

    assert f"\n\n{table}\n\n" in README.read_text(encoding="utf-8")


def test_an_unknown_proposition(run: Run) -> None:
    result = run("ask", "P99")

    assert result.exit_code == 2
    assert "there is no proposition 'P99'; choose of P1, P2" in result.stderr


def test_another_answer_than_the_expected_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    told = next(one for one in PROPOSITIONS if one.number == 18)
    question = dataclasses.replace(told.questions[0], expected=Word.NEVER, deviations=None)
    wrong = dataclasses.replace(told, questions=(question,))
    monkeypatch.setitem(command.NAMES, "P18", wrong)

    result = run("ask", "P18")

    assert result.exit_code == 1
    assert "<-- expected Never" in result.stdout
