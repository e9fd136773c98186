from __future__ import annotations

import json
import re
from html.parser import HTMLParser

from histories import DEADLOCK, DEADLOCK_CASE, DEADLOCK_VERDICT, RACE, RACE_CASE, RACE_VERDICT

from fuzz.report.ladder import rows
from fuzz.report.page import page
from fuzz.report.snapshot import Snapshot, recorder, snapshot
from fuzz.subject import Subject
from pagecache.kernels import LINUX_6_4
from pagecache.operations import Collapse, Touch
from pagecache.promises import DEFAULT_PROMISES
from pagecache.step import Task
from pagecache.world import VmaSpec, World, WorldSpec
from strategies.case import Case, Program, TaskSpec

SPEC = WorldSpec(("data", "hole"), 1, 2, (VmaSpec("A", 0, 2, missing=True, mapped=(0,)),))
STATES: list[Snapshot] = [snapshot(World(SPEC, LINUX_6_4))]


def test_a_snapshot_says_what_there_is() -> None:
    world = World(SPEC, LINUX_6_4)
    khugepaged = Task("khugepaged", 0)
    world.memory.folios[0].locked_by = khugepaged
    khugepaged.held.append(world.memory.folios[0])

    state = snapshot(world, [khugepaged])
    assert state["slots"] == ["F0", None]
    assert state["file"] == {"i_size": 2, "nrpages": 1, "alloced": 1, "swapped": 0, "i_blocks": 8}
    assert state["held"] == {"khugepaged": ["F0"]}
    assert state["folios"] == [
        {
            "name": "F0",
            "index": 0,
            "pages": ["d0"],
            "refcount": 2,
            "mapcount": 1,
            "locked_by": "khugepaged",
            "frozen_by": None,
            "flags": ["uptodate", "dirty", "lru"],
        }
    ]
    (vma,) = state["vmas"]
    assert (vma["name"], vma["mm"], vma["missing"], vma["alive"]) == ("vma0", "A", True, True)
    assert [entry["pte"] for entry in vma["pages"]] == ["F0", None]


def test_a_snapshot_shares_nothing_with_the_world() -> None:
    world = World(SPEC, LINUX_6_4)
    before = snapshot(world)
    copy = json.loads(json.dumps(before))

    world.mapping.i_pages.slots[0] = None
    world.memory.folios[0].pages[0] = "changed"
    world.vmas[0].ptes.clear()
    assert before == copy


def test_a_recorded_run_has_a_state_for_each_event_and_one_before() -> None:
    program = Program((TaskSpec("khugepaged", (Collapse(0),)), TaskSpec("touch", (Touch(1), Touch(0)))))
    promises, recorders = recorder(DEFAULT_PROMISES)
    run = Subject(LINUX_6_4, promises).reference(Case("linux-6.4", SPEC, program))

    (watcher,) = recorders
    assert run.history is not None
    assert len(watcher.snapshots) == len(run.history.events) + 1
    assert watcher.snapshots[0] == STATES[0]
    held = [state["held"] for state in watcher.snapshots]
    assert {} in held
    assert any("khugepaged" in holders for holders in held)


class _Reader(HTMLParser):
    """Collects the script, and every attribute that could load something."""

    def __init__(self) -> None:
        super().__init__()
        self.script = ""
        self.tag = ""
        self.resources: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tag = tag
        self.resources += [name for name, _ in attrs if name in ("src", "href", "srcset", "data", "action")]

    def handle_data(self, data: str) -> None:
        if self.tag == "script":
            self.script += data

    def handle_endtag(self, tag: str) -> None:
        self.tag = ""


def test_the_page_holds_the_run_and_loads_nothing() -> None:
    text = page("a <b> & c", RACE_CASE, RACE, RACE_VERDICT, STATES)

    reader = _Reader()
    reader.feed(text)
    assert reader.resources == []
    assert "//" not in re.sub(r"(?m)^\s*// .*$", "", text)  # no address of anything
    assert "@import" not in text
    assert "<title>a &lt;b&gt; &amp; c</title>" in text
    (line,) = (line for line in reader.script.splitlines() if line.startswith("const run = "))
    run = json.loads(line.removeprefix("const run = ").removesuffix(";"))
    assert run["tasks"] == ["khugepaged", "lseek", "uffd"]
    assert run["snapshots"] == STATES
    assert run["verdict"].startswith("Broken promise: Data is never reported as a hole.\nlseek's SeekHole")
    assert [tuple(row.values()) for row in run["rows"]] == rows(RACE, RACE_CASE.failures)


def test_nothing_in_a_run_ends_the_script() -> None:
    verdict = type(DEADLOCK_VERDICT)(DEADLOCK_VERDICT.outcome, "no_deadlock", "</script><script>alert(1)</script>")

    assert page("x", DEADLOCK_CASE, DEADLOCK, verdict, STATES).count("</script>") == 1
