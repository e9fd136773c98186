from __future__ import annotations

from pathlib import Path

import pytest
from histories import DEADLOCK, DEADLOCK_CASE, DEADLOCK_VERDICT, RACE, RACE_CASE, RACE_VERDICT, history

from fuzz.engine.verdict import HELD, Outcome, Verdict
from fuzz.report.ladder import WIDTH_MAX, ladder, one_line
from fuzz.report.report import Report, world_facts
from pagecache.operations import Load
from pagecache.step import Step
from pagecache.world import VmaSpec, WorldSpec

EXPECTED = Path(__file__).with_name("expected")

REPORTS = {
    "race": Report(
        RACE_CASE,
        RACE,
        RACE_VERDICT,
        minimal="no schedule with fewer than 2 deviations fails (exhausted, 37 runs)",
        saved="corpus/hole+collapse+seekhole+uffdcopy.toml",
        replay="pagecache-fuzz replay corpus/hole+collapse+seekhole+uffdcopy.toml",
    ),
    "deadlock": Report(DEADLOCK_CASE, DEADLOCK, DEADLOCK_VERDICT),
    "held": Report(DEADLOCK_CASE, DEADLOCK, HELD),
    "unknown": Report(DEADLOCK_CASE, DEADLOCK, Verdict(Outcome.UNKNOWN, "an_oracle_crashed", "Traceback: ...")),
}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_what_it_was(name: str, tmp_path: Path) -> None:
    actual = tmp_path / f"{name}.txt"
    actual.write_text(REPORTS[name].text())

    expected = EXPECTED / f"{name}.txt"
    assert actual.read_text() == expected.read_text(), f"if the new one is right: cp {actual} {expected}"


def test_every_event_has_its_row_in_the_column_of_its_task() -> None:
    rows = ladder(RACE)[1:]

    assert len(rows) == len(RACE.events)
    for number, (row, event) in enumerate(zip(rows, RACE.events, strict=True), 1):
        label, *columns = row.split("|")
        assert label.split()[0] == str(number)
        assert [task for task, column in enumerate(columns) if column.strip()] == [event.task]


def test_each_deviation_is_marked_once() -> None:
    marked = [row for row in ladder(RACE) if ">" in row.partition("|")[0]]

    assert len(marked) == len(RACE_CASE.schedule)


def test_three_tasks_fit_into_a_mail() -> None:
    for name, report in REPORTS.items():
        table = [line for line in report.text().splitlines() if "|" in line]
        assert max(map(len, table)) <= WIDTH_MAX, name


def test_many_tasks_keep_a_column_that_can_be_read() -> None:
    names = [f"task{number}" for number in range(9)]
    turns = [(task, False, [Load(0), Step("folio_ref_unfreeze", "F1", 2), 0]) for task in range(9)]

    assert any("folio_ref_u..." in row for row in ladder(history(names, *turns)))


def test_until_ends_the_table_and_says_so() -> None:
    rows = ladder(RACE, until=3)

    assert rows[1:4] == ladder(RACE, until=4)[1:4]
    assert rows[4:] == [f"       ... {len(RACE.events) - 3} more"]


def test_the_whole_run_in_one_line() -> None:
    assert one_line(RACE) == "khugepaged----- P:uffd--- P:lseek-- S:uffd- S:khugepaged-11-"


def test_the_modes_of_a_mapping_are_named() -> None:
    vmas = (VmaSpec(missing=True), VmaSpec(minor=True, huge=True, around=True), VmaSpec(wp=True), VmaSpec())
    facts = [fact for name, fact in world_facts(WorldSpec(vmas=vmas)) if name.startswith("vma")]
    modes = [fact.removeprefix("process A, pages 0 to 1") for fact in facts]

    assert modes == [
        ", userfaultfd MISSING",
        ", userfaultfd MINOR, huge pages by PMDs, fault-around",
        ", userfaultfd WP",
        "",
    ]
