from __future__ import annotations

import contextlib
import dataclasses
import random
import tomllib
from pathlib import Path

import pytest
from entries import ENTRY, NAME, WORDS, entries
from hypothesis import given, settings
from test_toml_locator import paths

from fuzz.corpus.entry import Entry
from fuzz.corpus.entry_reader import read_entry
from fuzz.corpus.entry_writer import entry_text, rewrite
from fuzz.corpus.toml_locator import locate
from fuzz.engine.verdict import Outcome
from fuzz.errors import EntryError

EXPECTED = Path(__file__).with_name("expected")


def read(text: str | bytes, name: str = NAME) -> Entry:
    return read_entry(name, "corpus/x.toml", text.encode() if isinstance(text, str) else text, WORDS)


def test_an_entry_reads_like_a_litmus_test() -> None:
    assert entry_text(ENTRY) == (EXPECTED / "entry.toml").read_text()


@settings(max_examples=100, deadline=None)
@given(entries())
def test_what_is_written_is_read(entry: Entry) -> None:
    text = entry_text(entry)

    again = read(text, entry.name)
    assert again == entry
    assert again.head == entry.head
    assert entry_text(again) == text


@settings(max_examples=50, deadline=None)
@given(entries(), entries())
def test_rewriting_changes_the_result_and_nothing_else(entry: Entry, other: Entry) -> None:
    result = dataclasses.replace(
        entry,
        outcome=other.outcome,
        broken=other.broken,
        steps=tuple(f"{entry.case.program.tasks[0].name} {step}" for step in other.steps),
        minimal=other.minimal if entry.minimal else "",
    )

    assert read(rewrite(entry_text(entry), result), entry.name) == result


def test_rewriting_keeps_every_comment() -> None:
    text = (
        entry_text(ENTRY).replace("[world]", "# why this world\n[world]  # small").replace("visit = 2", "visit=2 # !")
    )

    assert rewrite(text, ENTRY) == text

    held = dataclasses.replace(ENTRY, outcome=Outcome.HELD, broken="", steps=())
    kept = [line for line in rewrite(text, held).splitlines() if "#" in line]
    assert kept == [line for line in text.splitlines() if "#" in line]


def test_windows_line_ends_are_read() -> None:
    assert read(entry_text(ENTRY).replace("\n", "\r\n")) == ENTRY


WRONG = {
    "format = 1": {
        "format = 2": "line 8: format is 2, but this program reads 1; use the version that wrote it",
        "format = 1.0": "line 8: format is 1.0, a number with a fraction; make it a whole number",
        "formt = 1": "line 1: the top of the file has no 'format'; add 'format = ...' (a whole number)",
        "format = ": "line 8: not TOML: Invalid value: 'format ='; mend the line or restore the file",
        "format = 1\nformat = 1": "line 9: not TOML: Cannot overwrite a value: 'format = 1'; mend the line or",
        "format = 1\nsteps = []": "line 9: the top of the file has no field 'steps'; remove it, or choose one of",
    },
    'kernel = "linux-6.2"': {
        'kernel = "linux-6.20"': "line 9: kernel is 'linux-6.20', which is not a known kernel; give its file with "
        "--kernel, or rename it; did you mean 'linux-6.2'?",
        "kernel = true": "line 9: kernel is True, true or false; make it a string",
    },
    'verdict = "violated"': {
        'verdict = "unknown"': "line 10: verdict is 'unknown', which is not a verdict; choose one of held, violated, "
        "deadlock, livelock",
        'verdict = "held"': "line 11: broken is 'data_is_never_reported_as_a_hole' although the verdict is held; "
        'make it ""',
    },
    'broken = "data_is_never_reported_as_a_hole"': {
        'broken = "data_is_never_reported_as_hole"': "line 11: broken is 'data_is_never_reported_as_hole', which is "
        "not a promise; did you mean 'data_is_never_reported_as_a_hole'?",
        'broken = ""': "line 11: broken is empty although the verdict is violated; name the promise",
    },
    "hpage_order = 1": {
        "hpage_order = 4": "line 20: hpage_order is 4; choose 1 to 3",
        "hpage_order = 3": "line 18: there are 4 pages; with hpage_order 3 give a multiple of 8",
        "hpageorder = 1": "line 18: [world] has no 'hpage_order'; add 'hpage_order = ...' (a whole number)",
        "hpage_order = true": "line 20: hpage_order is True, true or false; make it a whole number",
    },
    "size = 4": {
        "size = 4\nlarge = [[0, 1]]": "line 22: large range [0, 1] holds data, hole; make them all data or all",
        "size = 4\nlarge = [[0, true]]": "line 22: large, value 1, value 2 is True, true or false; make it a whole",
        "size = 4\nlarge = [0, 1]": "line 22: large, value 1 is 0, a whole number; make it an array",
        "size = -1": "line 21: size is -1 pages; choose 0 to 4",
        "size = 1": "line 19: page 2 holds data beyond size 1; make it a hole or raise size",
        "size = 4\nnumber = 3": "line 22: [world] has no field 'number'; remove it, or choose one of vma, ",
        "size = 2023-02-21": "line 21: size is datetime.date(2023, 2, 21), a date or time; make it a whole number",
    },
    'pages = ["data", "hole", "data", "unwritten"]': {
        'pages = ["data", "hole", "full", "unwritten"]': "line 19: page 2 is 'full'; choose one of data, hole, ",
        'pages = ["data",\n"hole",\n5]': "line 21: pages, value 3 is 5, a whole number; make it a string",
        'pages = "data"': "line 19: pages is 'data', a string; make it an array",
    },
    "mapped = [0, 2]": {
        "mapped = [0, 5]": "line 28: a VMA has index 5 mapped but covers only 0 to 3; remove it from 'mapped'",
        "mapped = [0, 2]\narround = true": (
            "line 29: [[world.vma]] number 1 has no field 'arround'; remove it, or did you mean 'around'?"
        ),
    },
    "start = 1\n": {
        "": "start",
        "start = 2\n": "line 30: a VMA maps indices 2 to 2: start must be >= 0 and below end",
    },
    'name = "lseek"': {
        'name = "l seek"': "line 40: name is 'l seek'; make it one word of letters, digits, '_', '-' and '.'",
        'name = "khugepaged"': "line 40: there are two tasks 'khugepaged'; rename one of them",
        'nam = "lseek"': "line 39: [[task]] number 2 has no 'name'; add 'name = ...' (a string)",
    },
    "seed = 7": {"seed = -7": "line 15: seed is -7; make it 0 or more"},
    '{ op = "Collapse", start = 0 }': {
        '{ op = "Colapse", start = 0 }': "line 37: op is 'Colapse', which is not an operation; did you mean",
        '{ op = "Collapse" }': "line 37: [[task.ops]] number 1 has no 'start'; add 'start = ...' (a whole number)",
        '{ op = "Collapse", start = -2 }': "line 37: Collapse(start=-2): start is -2; it must not be negative",
        '{ op = "Collapse", start = 1 }': "line 37: Collapse(start=1): start is 1; with hpage_order 1 it must be",
        '{ op = "Collapse", start = 0, index = 1 }': "line 37: [[task.ops]] number 1 has no field 'index'",
        "": "line 37: task 'khugepaged' does nothing; give it 'ops = [{ op = ... }]' or remove it",
        "7": "line 37: ops, value 1 is 7, a whole number; make it a table",
    },
    'at = "xas_store"': {'at = ""': "line 55: at is ''; make it the name of a call, for example 'xas_store'"},
    "visit = 2": {"visit = 0": "line 56: visit is 0; it counts from 1"},
    'run = "lseek"': {
        'run = "lsek"': "line 57: run is 'lsek', which is not a task of this entry; did you mean 'lseek'?",
        'run = "khugepaged"': "line 57: run is 'khugepaged', the task that would run anyway; name another one",
    },
    "[[failure]]": {"[[failures]]": "line 65: the top of the file has no field 'failures'; remove it, or did you mean"},
    '"khugepaged xas_load(0)"': {
        '"bystander xas_load(0)"': "line 73: step 2 is 'bystander xas_load(0)'; begin it with a task (khugepaged, ",
        '"khugepaged"': "line 73: step 2 is 'khugepaged'; begin it with a task (khugepaged, lseek, uffd), then",
    },
}


@pytest.mark.parametrize(
    ("old", "new", "message"), [(old, new, message) for old, news in WRONG.items() for new, message in news.items()]
)
def test_an_error_names_the_line_the_value_and_the_remedy(old: str, new: str, message: str) -> None:
    text = entry_text(ENTRY)
    assert old in text
    wrong = text.replace(old, new, 1)
    if message == "start":  # nought goes without saying
        assert read(wrong).case.world.vmas[0].start == 0
        return

    with pytest.raises(EntryError) as caught:
        read(wrong)
    assert str(caught.value).startswith(f"corpus/x.toml, {message}")
    assert "\n" not in str(caught.value)


def test_a_file_that_was_cut_off_is_an_error_wherever_it_was_cut() -> None:
    text = entry_text(ENTRY).rstrip()
    for length in range(len(text)):
        with pytest.raises(EntryError, match=r"^corpus/x\.toml, line \d+: "):
            read(text[:length])


def test_bytes_that_are_not_utf_8_are_an_error_with_their_line() -> None:
    with pytest.raises(EntryError, match="line 3: byte 0xff is not UTF-8; save the file as UTF-8"):
        read(b"# one\n# two\n\xff")


def test_a_text_that_is_too_deep_or_too_long_for_tomllib_is_an_error() -> None:
    for value in ("[" * 5000 + "]" * 5000, "9" * 5000):
        with pytest.raises(EntryError, match="not TOML"):
            read(f"format = {value}")


MUTANTS = 1000


def mutant(text: bytes, rng: random.Random) -> bytes:
    """One or two of the accidents that happen to files."""
    for _ in range(rng.choice((1, 1, 2))):
        lines = text.split(b"\n")
        kind = rng.randrange(6)
        at = rng.randrange(len(text))
        if kind == 0:  # a bit flips
            text = text[:at] + bytes([text[at] ^ (1 << rng.randrange(8))]) + text[at + 1 :]
        elif kind == 1:  # a part is lost
            text = text[:at] + text[at + rng.randrange(20) :]
        elif kind == 2:  # two lines change places
            one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[one], lines[two] = lines[two], lines[one]
            text = b"\n".join(lines)
        elif kind == 3:  # a line is there twice
            lines.insert(at % len(lines), lines[rng.randrange(len(lines))])
            text = b"\n".join(lines)
        elif kind == 4:  # a line is lost
            del lines[at % len(lines)]
            text = b"\n".join(lines)
        else:  # a value is another
            line = rng.choice([number for number, line in enumerate(lines) if b"=" in line])
            value = rng.choice([b"-1", b"0", b"99", b'""', b'"x"', b"true", b"[]", b"{}", b"1.5", b"nan", b"[[1]]"])
            lines[line] = lines[line].partition(b"=")[0] + b"= " + value
            text = b"\n".join(lines)
    return text


def entry_or_error(data: bytes) -> Entry | EntryError:
    try:
        return read(data)
    except EntryError as error:
        return error


def test_a_damaged_entry_is_an_error_or_an_entry_and_never_anything_else() -> None:
    rng = random.Random(20230221)
    whole = entry_text(ENTRY).encode()
    errors = 0
    for _ in range(MUTANTS):
        damaged = mutant(whole, rng)
        match entry_or_error(damaged):
            case Entry() as entry:
                assert read(entry_text(entry)) == entry
            case EntryError() as error:
                errors += 1
                assert str(error).startswith("corpus/x.toml, line ")
                assert "\n" not in str(error)
        with contextlib.suppress(ValueError):  # not UTF-8, or not TOML
            text = damaged.decode().replace("\r\n", "\n")
            values = tomllib.loads(text)
            assert set(locate(text)) == paths(values)

    assert MUTANTS // 3 < errors < MUTANTS  # both happen, or the test is about something else
