"""P1 to P9: can a page get into a hole while khugepaged works, and is it lost?

From the mail that this project began with, <20230206112856.1802547-1-stevensd@google.com>, and its neighbours.
"""

from __future__ import annotations

from typing import Final

from fuzz.questions.names import ACCOUNTING, ASSERTION, LOST, MERGED, SPINS, UFFD
from fuzz.questions.question import Proposition, Question, Word
from fuzz.questions.variants import (
    RECHECK_UP_TO_THE_LAST_PRESENT_PAGE,
    WITHOUT_PAGE_LOCKS_UNTIL_THE_RECHECK,
    WITHOUT_RECHECK,
)
from fuzz.questions.windows import (
    NO_COLLAPSE_GIVES_UP,
    NO_HOLE_IS_FILLED_TWICE,
    NOTHING_IS_INSERTED_DURING_A_COLLAPSE,
    NOTHING_IS_INSERTED_DURING_THE_COPY,
)
from fuzz.questions.worlds import (
    DATA_HOLE,
    ENDS_IN_A_HOLE,
    FOUR_PAGES,
    HOLE_DATA,
    MAPPED,
    TAIL_REGISTERED,
)
from pagecache.operations import Collapse, Load, Mincore, PunchHole, SeekHole, Store, UffdRegister

__all__ = ["INSERTION"]

SOMETIMES, NEVER = Word.SOMETIMES, Word.NEVER

FAULT_IN_A_HOLE: Final = ((Collapse(0),), (Store(1),))
FILL_AND_REMOVE: Final = ((Collapse(0),), (Store(1), PunchHole(2)))

INSERTION: Final = (
    Proposition(
        1,
        "Peter Xu",
        "with holes left NULL, a new page can be inserted while khugepaged copies",
        (
            Question(
                "is a page inserted during the copy?",
                ("wilcox-2023-02", *MERGED),
                DATA_HOLE,
                ((Collapse(0),), (Load(1),)),
                NOTHING_IS_INSERTED_DURING_THE_COPY,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question(
                "is a page inserted during the copy?",
                ("stevens-v2",),
                DATA_HOLE,
                ((Collapse(0),), (Load(1),)),
                NOTHING_IS_INSERTED_DURING_THE_COPY,
                NEVER,
                claimed=SOMETIMES,
            ),
            Question(
                "is a page inserted during the copy?",
                ("linux-6.2",),
                DATA_HOLE,
                ((Collapse(0),), (Load(1),)),
                NOTHING_IS_INSERTED_DURING_THE_COPY,
                NEVER,
            ),
        ),
        "where the copy precedes the store; v2 copies afterwards",
    ),
    Proposition(
        2,
        "David Stevens",
        "this particular race can't happen with either patch",
        (
            Question(
                "is a page lost?",
                ("wilcox-2023-02",),
                DATA_HOLE,
                FAULT_IN_A_HOLE,
                LOST,
                SOMETIMES,
                claimed=NEVER,
                deviations=1,
            ),
            Question(
                "is a page inserted during a collapse?",
                ("stevens-v2",),
                DATA_HOLE,
                FAULT_IN_A_HOLE,
                NOTHING_IS_INSERTED_DURING_A_COLLAPSE,
                SOMETIMES,
                claimed=NEVER,
                deviations=1,
            ),
            Question(
                "is a page inserted during the copy?",
                ("stevens-v2",),
                DATA_HOLE,
                FAULT_IN_A_HOLE,
                NOTHING_IS_INSERTED_DURING_THE_COPY,
                NEVER,
                claimed=NEVER,
            ),
            Question("is a page lost?", ("stevens-v2",), DATA_HOLE, FAULT_IN_A_HOLE, LOST, NEVER, claimed=NEVER),
        ),
        "v2 lets the page in, sees it, and rolls back",
    ),
    Proposition(
        3,
        "Matthew Wilcox",
        "there has to be something in the slot, it can't be NULL",
        (
            Question(
                "NULL, not counted again: is a page lost?",
                ("wilcox-2023-02", WITHOUT_RECHECK),
                DATA_HOLE,
                FAULT_IN_A_HOLE,
                LOST,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question(
                "NULL, not counted again: are the counts wrong?",
                ("wilcox-2023-02",),
                DATA_HOLE,
                FAULT_IN_A_HOLE,
                ACCOUNTING,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question(
                "NULL, counted again: is a page lost?",
                ("stevens-v2", "linux-2026"),
                DATA_HOLE,
                FAULT_IN_A_HOLE,
                LOST,
                NEVER,
                claimed=SOMETIMES,
            ),
            Question(
                "NULL, counted again: are the counts wrong?",
                ("linux-2026",),
                DATA_HOLE,
                FAULT_IN_A_HOLE,
                ACCOUNTING,
                NEVER,
                claimed=SOMETIMES,
            ),
        ),
        "sufficient, not necessary: to count again is enough",
    ),
    Proposition(
        4,
        "Matthew Wilcox",
        "a RETRY entry has the same effect as a frozen page",
        (
            Question(
                "frozen: does a lookup spin on a task that sleeps?",
                ("wilcox-2023-02",),
                MAPPED,
                ((Collapse(0),), (Mincore(0),)),
                SPINS,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question(
                "RETRY: does a lookup spin on a task that sleeps?",
                ("retry-during-scan",),
                HOLE_DATA,
                ((Collapse(0),), (SeekHole(0),)),
                SPINS,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question(
                "RETRY: is a page lost?",
                ("retry-during-scan",),
                DATA_HOLE,
                FAULT_IN_A_HOLE,
                LOST,
                NEVER,
                claimed=NEVER,
            ),
        ),
        "the same for who looks it up: safe for insertion, and too expensive to be held across a sleep",
    ),
    Proposition(
        5,
        "Matthew Wilcox",
        "both David's patch and mine are wrong",
        (
            Question(
                "is a page lost?",
                ("wilcox-2023-02",),
                DATA_HOLE,
                FAULT_IN_A_HOLE,
                LOST,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question("is a page lost?", ("stevens-v2",), DATA_HOLE, FAULT_IN_A_HOLE, LOST, NEVER, claimed=SOMETIMES),
            Question(
                "is an event lost after a lockless lseek?",
                ("stevens-v2",),
                DATA_HOLE,
                ((Collapse(0),), (UffdRegister(), SeekHole(1))),
                UFFD,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question(
                "is an event lost after a lockless mincore?",
                ("stevens-v2",),
                DATA_HOLE,
                ((Collapse(0),), (UffdRegister(), Mincore(1))),
                UFFD,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question(
                "is who maps only the tail forgotten?",
                ("stevens-v2",),
                TAIL_REGISTERED,
                ((SeekHole(1), Collapse(0)),),
                UFFD,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=0,
            ),
        ),
        "but v2 for other reasons than his",
    ),
    Proposition(
        6,
        "David Stevens",
        "present pages are locked, so an equal number of holes means that nobody filled one",
        (
            Question(
                "fill one hole, punch another: is data lost?",
                ("stevens-v2", "linux-6.4"),
                FOUR_PAGES,
                FILL_AND_REMOVE,
                LOST,
                NEVER,
                claimed=NEVER,
            ),
            Question(
                "m1, pages unlocked before they are counted: does an assertion fail?",
                (WITHOUT_PAGE_LOCKS_UNTIL_THE_RECHECK,),
                FOUR_PAGES,
                FILL_AND_REMOVE,
                ASSERTION,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question(
                "m2, counted only up to the last present page: is a page lost?",
                (RECHECK_UP_TO_THE_LAST_PRESENT_PAGE,),
                ENDS_IN_A_HOLE,
                ((Collapse(0),), (Store(3),)),
                LOST,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
        ),
        "and the lock is what it stands on",
    ),
    Proposition(
        7,
        "David Stevens",
        "to count again adds a way to fail, and no race",
        (
            Question(
                "does a fault make a collapse give up?",
                ("stevens-v2", *MERGED),
                DATA_HOLE,
                FAULT_IN_A_HOLE,
                NO_COLLAPSE_GIVES_UP,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question(
                "is a page lost?", ("stevens-v2", *MERGED), DATA_HOLE, FAULT_IN_A_HOLE, LOST, NEVER, claimed=NEVER
            ),
            Question(
                "can one hole be filled twice, to make two collapses give up?",
                MERGED,
                DATA_HOLE,
                ((Collapse(0), Collapse(0)), (Store(1), Store(1))),
                NO_HOLE_IS_FILLED_TWICE,
                NEVER,
                claimed=NEVER,
            ),
            Question(
                "and if it is punched in between?",
                MERGED,
                DATA_HOLE,
                ((Collapse(0), Collapse(0)), (Store(1), PunchHole(1), Store(1))),
                NO_HOLE_IS_FILLED_TWICE,
                SOMETIMES,
                deviations=1,
            ),
        ),
        "as often as there are holes, unless somebody punches new ones",
    ),
    Proposition(
        8,
        "Matthew Wilcox",
        "can too: the xa_lock is dropped in mid-scan, to swap in",
        (
            Question(
                "without swap: is a page inserted during a collapse?",
                ("stevens-v2",),
                HOLE_DATA,
                ((Collapse(0),), (Store(0),)),
                NOTHING_IS_INSERTED_DURING_A_COLLAPSE,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question(
                "is it lost in his own version?",
                ("wilcox-2023-02",),
                HOLE_DATA,
                ((Collapse(0),), (Store(0),)),
                LOST,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question("is it lost?", ("stevens-v2",), HOLE_DATA, ((Collapse(0),), (Store(0),)), LOST, NEVER),
        ),
        "no swap is needed: any present page behind the hole drops the lock",
    ),
    Proposition(
        9,
        "David Stevens",
        "for insertion no marker is needed if the holes are counted again",
        (
            Question(
                "no RETRY entries: is a page lost?",
                ("b04-hole-after-the-walk", "stevens-v2"),
                DATA_HOLE,
                FAULT_IN_A_HOLE,
                LOST,
                NEVER,
                claimed=NEVER,
            ),
            Question(
                "no RETRY entries: is an event lost after a lockless look?",
                ("b04-hole-after-the-walk",),
                DATA_HOLE,
                ((Collapse(0),), (UffdRegister(), SeekHole(1))),
                UFFD,
                SOMETIMES,
                deviations=1,
            ),
        ),
        "the marker is for those who only look (P10)",
    ),
)
