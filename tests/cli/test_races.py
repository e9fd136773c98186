"""``pagecache-fuzz races``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from calling import Run
from program_files import PROGRAM

from fuzz.kernel_file import find_kernel
from fuzz.races import find_races

THROWS = """
from pagecache.kernels import LINUX_2026


async def shmem_fault(vmf):
    raise ZeroDivisionError("on purpose")


KERNEL = LINUX_2026.replace(name="throws", shmem_fault=shmem_fault)
"""


def test_it_lists_the_races_most_frequent_first(run: Run) -> None:
    result = run("races", "--kernel", "linux-6.4", "--schedules", 500)

    assert result.exit_code == 0
    first, _, *rest = result.stdout.splitlines()
    assert first.endswith("data races of linux-6.4 in 500 schedules.")
    often = [
        int(line.rpartition("(in ")[2].split()[0]) for line in rest if line.endswith((" schedule)", " schedules)"))
    ]
    assert often == sorted(often, reverse=True)
    assert f"{len(often)} data races" in first


def test_with_json_it_says_the_same(run: Run) -> None:
    answer = json.loads(run("races", "--kernel", "linux-6.4", "--schedules", 500, "--json").stdout)
    text = run("races", "--kernel", "linux-6.4", "--schedules", 500).stdout

    assert answer["schedules"] == 500
    assert answer["verdict"] is None
    for race in answer["races"]:
        assert f"{' / '.join(race['functions'])}: {race['field']} (in {race['schedules']} schedule" in text


def test_equal_seeds_find_the_same() -> None:
    kernel = find_kernel("linux-2026")

    assert find_races(kernel, 7, 300) == find_races(kernel, 7, 300)
    assert find_races(kernel, 7, 300) != find_races(kernel, 8, 300)


def test_a_kernel_that_throws_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "throws.py").write_text(THROWS, encoding="utf-8")

    result = run("races", "--kernel", tmp_path / "throws.py")

    assert result.exit_code == 2
    assert "ZeroDivisionError: on purpose" in result.stderr


@pytest.mark.parametrize("command", ["run", "verify"])
def test_it_can_be_judged_like_any_other_promise(command: str, run: Run, tmp_path: Path) -> None:
    program = tmp_path / "program.toml"
    program.write_text(PROGRAM.replace('{ op = "SeekData", index = 0 }', '{ op = "Stat" }'), encoding="utf-8")
    what = ["--program", program] if command == "verify" else ["--corpus", tmp_path / "corpus"]

    result = run(command, "--kernel", "linux-2026-mended", "--with", "no_plain_access_races", *what)

    assert result.exit_code == 1
    assert "Broken promise: No plain access races." in result.stdout
    assert "data-race in" in result.stdout
