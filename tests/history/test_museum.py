"""The museum is in order; ``tests/benchmarks/history.py`` measures it."""

from __future__ import annotations

import difflib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from fuzz.corpus.replay import Mode, compare
from fuzz.corpus.store import entry_paths, load
from fuzz.corpus.vocabulary import vocabulary
from fuzz.museum import ENTRIES, entry_path, search, subject
from fuzz.report.examine import examine
from pagecache.history import HISTORY, HISTORY_BY_NAME, Bug, Focus
from pagecache.kernels import KERNELS_BY_NAME
from pagecache.operations import Load
from pagecache.promises import PROMISES_BY_NAME

CORPUS = Path(__file__).parents[2] / "corpus"

HOLDS = 100
"""Schedules of each fixed function; tests/history/test_measured.py takes some hundred times as many."""

WHOLE_PROTOCOLS = {"b01-data-looks-like-a-hole", "b26-stale-nodes", "b31-skip-swapcache"}
"""Their function is a protocol of its own."""

LONGER = {"b30-endless-retry": 2}
"""To the shrinker, a world with a large swap entry in it is larger than a collapse and a reclaim that make one."""

ENGINES = {
    "no_deadlock",
    "no_livelock",
    "no_kernel_assertion_fails",
    "no_freed_memory_is_used",
    "the_kernel_does_not_oops",
}


def ids(bug: Bug) -> str:
    return bug.kernel.name


def test_each_has_a_name_of_its_own_in_the_order_of_the_catalogue() -> None:
    assert len(HISTORY_BY_NAME) == len(HISTORY)
    assert [bug.number for bug in HISTORY] == sorted(bug.number for bug in HISTORY)
    assert not HISTORY_BY_NAME.keys() & KERNELS_BY_NAME.keys()


@pytest.mark.parametrize("bug", HISTORY, ids=ids)
def test_its_file_tells_the_story(bug: Bug) -> None:
    module = next(
        module
        for module in vars(__import__("pagecache.history").history).values()
        if getattr(module, "BUG", None) is bug
    )
    text = inspect.getdoc(module) or ""

    assert re.match(r"B\d+B?: ", text)
    for word in ("Symptom:", "Fix:", " 1. "):
        assert word in text, word


@pytest.mark.parametrize("bug", HISTORY, ids=ids)
def test_it_breaks_promises_that_exist(bug: Bug) -> None:
    assert set(bug.breaks) <= PROMISES_BY_NAME.keys() | ENGINES


@pytest.mark.parametrize("bug", [bug for bug in HISTORY if bug.kernel.name not in WHOLE_PROTOCOLS], ids=ids)
def test_the_difference_from_the_fixed_function_is_the_bug(bug: Bug) -> None:
    """If this fails, the fixed function has changed, and the museum has to follow."""
    fixed = inspect.getsource(bug.fixed.functions[bug.functions[0]]).splitlines()
    buggy = inspect.getsource(bug.kernel.functions[bug.functions[0]]).splitlines()
    changed = [
        line for line in difflib.unified_diff(fixed, buggy, n=0) if line[0] in "+-" and line[:3] not in ("+++", "---")
    ]

    assert 0 < len(changed) <= 18, changed


@pytest.mark.parametrize("bug", HISTORY, ids=ids)
def test_its_reproducer_shows_it_and_is_as_small_as_the_catalogue_says(bug: Bug) -> None:
    """Where it is missing: ``pytest fuzz/ --history`` finds each bug, and keeps what has no entry."""
    entry = load(entry_path(bug, CORPUS), vocabulary())

    run = examine(entry.case, bug.kernel, entry.broken)

    assert entry.case.kernel == bug.kernel.name
    assert compare(entry.steps, run.history.lines(), Mode.STRICT) is None
    assert (run.verdict.outcome, run.verdict.promise) == (entry.outcome, entry.broken)
    assert entry.broken in bug.breaks
    assert entry.case.program.operations <= bug.minimum.operations + LONGER.get(bug.kernel.name, 1)
    assert len(entry.case.schedule) <= bug.minimum.deviations + 1


@pytest.mark.parametrize("bug", HISTORY, ids=ids)
def test_the_fixed_function_does_not_do_what_the_reproducer_shows(bug: Bug) -> None:
    entry = load(entry_path(bug, CORPUS), vocabulary())

    assert subject(bug).judge(entry.case).promise in bug.breaks


def test_every_reproducer_has_a_bug() -> None:
    expected = {entry_path(bug, CORPUS) for bug in HISTORY}

    assert set(entry_paths(CORPUS / ENTRIES)) == expected


@pytest.mark.parametrize("bug", HISTORY, ids=ids)
def test_the_fixed_function_holds_in_the_same_place(bug: Bug) -> None:
    campaign = search(bug, 1, HOLDS, fixed=True)

    assert campaign.unknown is None
    assert not campaign.findings


@pytest.mark.parametrize("focus", [{}, {"operations": (Load,), "programs": (((Load(0),),),)}])
def test_a_focus_has_operations_or_programs(focus: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="give one kind"):
        Focus(**focus)
