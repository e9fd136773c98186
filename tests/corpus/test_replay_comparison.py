from __future__ import annotations

import pytest

from fuzz.corpus.replay import Difference, Mode, compare
from fuzz.errors import ReplayMismatch

RECORDED = ("lseek SeekData(index=0)", "lseek xas_load(0)", "lseek SeekData(index=0) = 0")


@pytest.mark.parametrize("mode", Mode)
def test_the_same_history_does_not_differ(mode: Mode) -> None:
    assert compare(RECORDED, RECORDED, mode) is None


@pytest.mark.parametrize(
    ("happened", "difference"),
    [
        ((RECORDED[0], "lseek xas_load(1)"), Difference(2, "lseek xas_load(0)", "lseek xas_load(1)")),
        (RECORDED[:2], Difference(3, RECORDED[2], "")),
        ((*RECORDED, "lseek xas_load(2)"), Difference(4, "", "lseek xas_load(2)")),
        ((), Difference(1, RECORDED[0], "")),
    ],
)
def test_the_first_difference_counts(happened: tuple[str, ...], difference: Difference) -> None:
    assert compare(RECORDED, happened) == difference


def test_a_lenient_replay_sees_what_user_space_sees() -> None:
    more_steps = (RECORDED[0], "lseek folio_get(F0)", "lseek xas_load(0)", RECORDED[2])
    other_result = (*more_steps[:3], "lseek SeekData(index=0) = ENXIO")

    assert compare(RECORDED, more_steps, Mode.LENIENT) is None
    assert compare(RECORDED, other_result, Mode.LENIENT) == Difference(4, RECORDED[2], other_result[3])


def test_a_replay_may_go_on_where_the_recording_ends() -> None:
    assert compare(RECORDED[:2], RECORDED, Mode.CONTINUE) is None
    assert compare(RECORDED, RECORDED[:2], Mode.CONTINUE) == Difference(3, RECORDED[2], "")


def test_a_mismatch_shows_both_and_says_what_to_do() -> None:
    assert str(
        ReplayMismatch("corpus/hole+collapse+seekdata.toml", 3, "lseek xas_load(0)", "khugepaged xas_load(1)")
    ) == (
        """\
ReplayMismatch: corpus/hole+collapse+seekdata.toml, step 3
  recorded   lseek xas_load(0)
  happened   khugepaged xas_load(1)
The kernel has changed since this entry was recorded, or the model reads something that the
schedule does not control (the order of a set, id(), a clock).
  look:    pagecache-fuzz replay corpus/hole+collapse+seekdata.toml --until 3
  accept:  pagecache-fuzz rerecord corpus/hole+collapse+seekdata.toml"""
    )
