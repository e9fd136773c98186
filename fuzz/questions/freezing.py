"""P22 to P32: frozen, uptodate, and the alternatives."""

from __future__ import annotations

from typing import Final

from fuzz.questions.names import DEADLOCK, LOST, MERGED, SPINS
from fuzz.questions.question import Proposition, Question, Word
from fuzz.questions.worlds import ALL_MAPPED, DATA_DATA, DATA_HOLE, HOLE_DATA, HOLE_REGISTERED, MAPPED, REGISTERED
from pagecache.operations import Collapse, Load, Mincore, Read, SeekData, SeekHole, Store, Touch, UffdCopy

__all__ = ["FREEZING"]

SOMETIMES, NEVER = Word.SOMETIMES, Word.NEVER

LOOK_BY_MINCORE: Final = ((Collapse(0),), (Mincore(0),))
LOOK_TWICE: Final = ((Collapse(0),), (Mincore(0), Mincore(1)))
MENDED: Final = ("linux-2026-mended",)

FREEZING: Final = (
    Proposition(
        23,
        "Hugh Dickins",
        "old pages that stay in place, frozen, deadlock with a lookup under the page-table lock",
        (
            Question(
                "do they wait for each other?",
                ("wilcox-2023-02", "stevens-v5", "b05-frozen-in-place"),
                MAPPED,
                LOOK_BY_MINCORE,
                DEADLOCK,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question(
                "does a lookup spin on a task that sleeps?",
                ("wilcox-2023-02", "stevens-v5", "b05-frozen-in-place"),
                MAPPED,
                LOOK_BY_MINCORE,
                SPINS,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question("does a lookup spin?", ("linux-6.2", *MERGED), MAPPED, LOOK_BY_MINCORE, SPINS, NEVER),
            Question(
                "do they wait for each other?", ("linux-6.2", *MERGED), ALL_MAPPED, LOOK_BY_MINCORE, DEADLOCK, NEVER
            ),
        ),
        "v6 does not freeze",
    ),
    Proposition(
        24,
        "Hugh Dickins",
        "6.2 is fine: the frozen page is replaced at once, and readers sleep on the new one",
        (
            Question(
                "does lseek spin on a task that sleeps?",
                ("linux-6.2",),
                DATA_DATA,
                ((Collapse(0),), (SeekData(0),)),
                SPINS,
                NEVER,
                claimed=NEVER,
            ),
            Question(
                "does a fault spin on a task that sleeps?",
                ("linux-6.2",),
                MAPPED,
                ((Collapse(0),), (Load(0),)),
                SPINS,
                NEVER,
                claimed=NEVER,
            ),
        ),
    ),
    Proposition(
        28,
        "Hugh Dickins, 2018",
        "there was no need to freeze the new page",
        (
            Question(
                "frozen: does a lookup spin on a task that sleeps?",
                ("linux-4.8", "b03-frozen-huge-page"),
                MAPPED,
                ((Collapse(0),), (SeekData(0),)),
                SPINS,
                SOMETIMES,
                deviations=1,
            ),
            Question(
                "not frozen: does it spin?",
                ("linux-6.2",),
                MAPPED,
                ((Collapse(0),), (SeekData(0),)),
                SPINS,
                NEVER,
                claimed=NEVER,
            ),
            Question(
                "not frozen: is a store lost?",
                ("linux-6.2",),
                DATA_HOLE,
                ((Collapse(0),), (Store(1),)),
                LOST,
                NEVER,
                claimed=NEVER,
            ),
        ),
    ),
    Proposition(
        29,
        "Peter Xu",
        "a RETRY entry that is left when the xa_lock is dropped makes everybody spin: is that legal?",
        (
            Question(
                "does lseek spin on a task that sleeps?",
                ("retry-during-scan",),
                HOLE_DATA,
                ((Collapse(0),), (SeekHole(0),)),
                SPINS,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question(
                "in the last section only: does it spin?",
                ("stevens-v3", *MERGED),
                HOLE_DATA,
                ((Collapse(0),), (SeekHole(0),)),
                SPINS,
                NEVER,
            ),
        ),
        "Yang Shi thought the lock of the new page would do, but nobody sees it",
    ),
    Proposition(
        30,
        "David Stevens",
        "no intermediate state leaks: presence only grows, unless user space takes it away",
        (
            Question(
                "does mincore see a page go?",
                (*MERGED, *MENDED),
                DATA_DATA,
                LOOK_TWICE,
                LOST,
                NEVER,
                claimed=NEVER,
            ),
            Question(
                "does mincore see a filled hole go?",
                (*MERGED, *MENDED),
                DATA_HOLE,
                LOOK_TWICE,
                LOST,
                NEVER,
                claimed=NEVER,
            ),
            Question(
                "does lseek step over data?",
                MERGED,
                DATA_DATA,
                ((Collapse(0),), (SeekHole(0),)),
                LOST,
                SOMETIMES,
                claimed=NEVER,
                deviations=2,
            ),
            Question(
                "does SEEK_DATA step over data?",
                MERGED,
                HOLE_DATA,
                ((SeekData(0),), (Collapse(0),)),
                LOST,
                SOMETIMES,
                claimed=NEVER,
                deviations=1,
            ),
            Question(
                "and if each index is looked up from the top?",
                MENDED,
                DATA_DATA,
                ((Collapse(0),), (SeekHole(0),)),
                LOST,
                NEVER,
                claimed=NEVER,
            ),
            Question(
                "the same with SEEK_DATA?",
                MENDED,
                HOLE_DATA,
                ((Collapse(0),), (SeekData(0),)),
                LOST,
                NEVER,
                claimed=NEVER,
            ),
            Question(
                "is EEXIST taken back?",
                MERGED,
                REGISTERED,
                ((Collapse(0),), (UffdCopy(1), Touch(1))),
                LOST,
                NEVER,
                claimed=NEVER,
            ),
            Question(
                "before: does lseek see data go?",
                ("linux-6.2", "b01-data-looks-like-a-hole"),
                DATA_DATA,
                ((Collapse(0),), (SeekHole(0),)),
                LOST,
                SOMETIMES,
                deviations=1,
            ),
            Question(
                "before: does mincore?",
                ("linux-6.2", "b01-data-looks-like-a-hole"),
                DATA_DATA,
                LOOK_BY_MINCORE,
                LOST,
                SOMETIMES,
                deviations=1,
            ),
        ),
        "but for lseek: a walk that meets a sibling steps over data, and so does today's kernel",
    ),
    Proposition(
        32,
        "David Stevens",
        "the rollback of v2 cannot make a present page absent",
        (
            Question(
                "a collapse fails: is data gone?",
                ("linux-6.2", "stevens-v2"),
                HOLE_REGISTERED,
                ((Collapse(0),), (Load(1),), (Read(1),)),
                LOST,
                NEVER,
                claimed=NEVER,
            ),
            Question(
                "is EEXIST taken back?",
                ("stevens-v2",),
                HOLE_REGISTERED,
                ((Collapse(0),), (UffdCopy(0), Touch(0)), (Read(1),)),
                LOST,
                NEVER,
                claimed=NEVER,
            ),
            Question(
                "before: is EEXIST taken back?",
                ("linux-6.2",),
                HOLE_REGISTERED,
                ((Collapse(0),), (UffdCopy(0), Touch(0)), (Read(1),)),
                LOST,
                SOMETIMES,
                deviations=2,
            ),
        ),
        "in 6.2 a real page never went either, but the placeholder that UFFDIO_COPY met did",
    ),
)
