"""P10 to P21: what can be observed meanwhile, and what is userfaultfd promised?"""

from __future__ import annotations

from typing import Final

from fuzz.questions.alternatives import SEEK_TAKES_THE_XA_LOCK, GuardedUffdRegister
from fuzz.questions.names import FILLED, FREED, LOST, MERGED, UFFD
from fuzz.questions.question import Proposition, Question, Word
from fuzz.questions.variants import GUARDED_UNTIL_THE_STORE, RETRACTS_NO_ARMED_TABLES
from fuzz.questions.windows import (
    NOTHING_IS_INSERTED_DURING_A_COLLAPSE,
    NOTHING_PRESENT_IS_REPORTED_MISSING,
    REGISTER_DOES_NOT_COME_BETWEEN,
)
from fuzz.questions.worlds import (
    DATA_DATA,
    DATA_HOLE,
    HOLE_REGISTERED,
    MINOR_REGISTERED,
    OTHER_REGISTERED,
    REGISTERED,
    STORE_BUFFERS,
)
from pagecache.operations import (
    Collapse,
    Mincore,
    Munmap,
    PunchHole,
    Read,
    SeekData,
    SeekHole,
    Touch,
    UffdCopy,
    UffdRegister,
    Write,
)

__all__ = ["OBSERVATION"]

SOMETIMES, NEVER = Word.SOMETIMES, Word.NEVER

REGISTER_AND_SEEK: Final = ((Collapse(0),), (UffdRegister(), SeekHole(1)))
REGISTER_GUARDED_AND_SEEK: Final = ((Collapse(0),), (GuardedUffdRegister(), SeekHole(1)))
REGISTER_AND_MINCORE: Final = ((Collapse(0),), (UffdRegister(), Mincore(1)))

OBSERVATION: Final = (
    Proposition(
        10,
        "Peter Xu",
        "lseek can see a hole after the VMAs were asked and before the store",
        (
            Question(
                "is an event lost after lseek?",
                ("stevens-v2",),
                DATA_HOLE,
                REGISTER_AND_SEEK,
                UFFD,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question(
                "is an event lost after mincore?",
                ("stevens-v2",),
                DATA_HOLE,
                REGISTER_AND_MINCORE,
                UFFD,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question(
                "is an event lost after SEEK_DATA?",
                ("stevens-v2",),
                DATA_HOLE,
                ((Collapse(0),), (UffdRegister(), SeekData(1))),
                UFFD,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question(
                "is an event lost after lseek?",
                ("stevens-v3", "stevens-v5", *MERGED),
                DATA_HOLE,
                REGISTER_AND_SEEK,
                UFFD,
                NEVER,
            ),
            Question(
                "is an event lost after mincore?",
                ("stevens-v3", "stevens-v5", *MERGED),
                DATA_HOLE,
                REGISTER_AND_MINCORE,
                UFFD,
                NEVER,
            ),
        ),
        "RETRY entries from v3 on",
    ),
    Proposition(
        11,
        "David Stevens",
        "in v2 the look at the VMAs and the store are under the xa_lock, so nobody can observe a hole in between",
        (
            Question(
                "is an event lost after lseek?",
                ("stevens-v2",),
                DATA_HOLE,
                REGISTER_AND_SEEK,
                UFFD,
                SOMETIMES,
                claimed=NEVER,
                deviations=1,
            ),
            Question(
                "and if lseek took the xa_lock?",
                (SEEK_TAKES_THE_XA_LOCK,),
                DATA_HOLE,
                REGISTER_AND_SEEK,
                UFFD,
                SOMETIMES,
                claimed=NEVER,
                deviations=1,
            ),
        ),
        "lookups are under RCU only; and the new page looks like a hole until it has been copied and is uptodate",
    ),
    Proposition(
        12,
        "David Stevens",
        "a registration that races with a collapse is harmless if nothing was observed meanwhile",
        (
            Question(
                "does REGISTER come between the look at the VMAs and the store?",
                MERGED,
                DATA_HOLE,
                ((Collapse(0),), (UffdRegister(),)),
                REGISTER_DOES_NOT_COME_BETWEEN,
                SOMETIMES,
                deviations=1,
            ),
            Question(
                "is a page filled that was observed missing?",
                MERGED,
                DATA_HOLE,
                ((Collapse(0),), (UffdRegister(), SeekHole(1), Touch(1))),
                UFFD,
                NEVER,
                claimed=NEVER,
            ),
            Question(
                "is anything filled after REGISTER returned?",
                MERGED,
                DATA_HOLE,
                ((Collapse(0),), (UffdRegister(),)),
                FILLED,
                SOMETIMES,
                deviations=1,
            ),
        ),
        "in his reading of the promise; Peter's first, stronger one is broken",
    ),
    Proposition(
        13,
        "Peter Xu",
        "register; lseek says data; later an event arrives for it",
        (
            Question(
                "a collapse rolls back: does what lseek called data become a hole?",
                ("linux-6.2",),
                HOLE_REGISTERED,
                ((Collapse(0),), (SeekHole(0), Touch(0)), (Read(1),)),
                NOTHING_PRESENT_IS_REPORTED_MISSING,
                NEVER,
                claimed=SOMETIMES,
            ),
            Question(
                "does what UFFDIO_COPY called there become a hole?",
                ("linux-6.2",),
                HOLE_REGISTERED,
                ((Collapse(0),), (UffdCopy(0), Touch(0)), (Read(1),)),
                LOST,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=2,
            ),
        ),
        "not by lseek, to which the new page looks like a hole; by UFFDIO_COPY's EEXIST",
    ),
    Proposition(
        14,
        "Peter Xu",
        "a count in the inode, kept from changing until the store, protects from lseek as well",
        (
            Question(
                "the store before the copy: is an event lost after lseek?",
                ("stevens-v2",),
                DATA_HOLE,
                REGISTER_GUARDED_AND_SEEK,
                UFFD,
                SOMETIMES,
                claimed=NEVER,
                deviations=1,
            ),
            Question(
                "the copy before the store, no RETRY entries: is an event lost after lseek?",
                (GUARDED_UNTIL_THE_STORE,),
                DATA_HOLE,
                REGISTER_GUARDED_AND_SEEK,
                UFFD,
                NEVER,
                claimed=NEVER,
            ),
        ),
        "as long as the new page is uptodate when it is stored; it would do instead of the RETRY entries",
    ),
    Proposition(
        15,
        "Peter Xu",
        "the barriers of v2 are not needed: the system calls order enough",
        (
            Question(
                "no barrier: is an event lost after a REGISTER that came first?",
                MERGED,
                DATA_HOLE,
                ((UffdRegister(), SeekHole(1), Touch(1)), (Collapse(0),)),
                UFFD,
                NEVER,
                claimed=NEVER,
            ),
            Question(
                "store buffers, and no barrier behind the RETRY entries: is an event lost?",
                MERGED,
                STORE_BUFFERS,
                REGISTER_AND_SEEK,
                UFFD,
                SOMETIMES,
                deviations=1,
            ),
            Question(
                "store buffers, and smp_mb() behind the RETRY entries: is an event lost?",
                ("linux-6.4-mended", "linux-2026-mended"),
                STORE_BUFFERS,
                REGISTER_AND_SEEK,
                UFFD,
                NEVER,
            ),
        ),
        "those of v2 order loads, or stores, which x86 never exchanges; but since RETRY entries are stored before the "
        "look at the VMAs (v3, and all that was merged), a full barrier is needed, and missing to this day",
    ),
    Proposition(
        16,
        "Kirill Shutemov",
        "write(2) can fill the hole as well",
        (
            Question(
                "does a write fill a page that was observed missing?",
                MERGED,
                REGISTERED,
                ((Collapse(0),), (SeekHole(1), Write(1))),
                NOTHING_IS_INSERTED_DURING_A_COLLAPSE,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
            Question(
                "is the promise broken by it?",
                MERGED,
                REGISTERED,
                ((Collapse(0),), (SeekHole(1), Write(1), Touch(1))),
                UFFD,
                NEVER,
            ),
        ),
        "so it can, and user space has nobody else to blame",
    ),
    Proposition(
        17,
        "Kirill Shutemov",
        "would it do to have retract_page_tables() skip what is armed?",
        (
            Question(
                "is an event lost?",
                (RETRACTS_NO_ARMED_TABLES,),
                DATA_DATA,
                ((UffdRegister(), PunchHole(1)), (Collapse(0),)),
                UFFD,
                SOMETIMES,
                claimed=NEVER,
                deviations=0,
            ),
        ),
        "the slot has been filled by then",
    ),
    Proposition(
        18,
        "Yang Shi",
        "the vma of v1 may be stale",
        (
            Question(
                "is a freed vma used?",
                ("stevens-v1",),
                DATA_HOLE,
                ((Collapse(0),), (Munmap(),)),
                FREED,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=1,
            ),
        ),
    ),
    Proposition(
        19,
        "Peter Xu",
        "v1 misses a registration after it looked, and other mappings",
        (
            Question(
                "registered later: is an event lost?",
                ("stevens-v1",),
                DATA_HOLE,
                REGISTER_AND_SEEK,
                UFFD,
                NEVER,
                claimed=SOMETIMES,
            ),
            Question(
                "registered in another process: is an event lost?",
                ("stevens-v1",),
                OTHER_REGISTERED,
                ((SeekHole(1), Collapse(0)),),
                UFFD,
                SOMETIMES,
                claimed=SOMETIMES,
                deviations=0,
            ),
        ),
        "others, yes; a later registration of the same one it sees, because it looks again at each hole, and keeps the "
        "mmap_lock until the end",
    ),
    Proposition(
        20,
        "David Stevens",
        "registrations for WP and MINOR events need no check",
        (
            Question(
                "is a page filled that was observed missing?",
                MERGED,
                DATA_HOLE,
                ((Collapse(0),), (UffdRegister(mode="wp"), SeekHole(1), Touch(1))),
                UFFD,
                NEVER,
                claimed=NEVER,
            ),
            Question(
                "is a page filled that was observed missing?",
                MERGED,
                MINOR_REGISTERED,
                ((Collapse(0),), (SeekHole(1), Touch(1))),
                UFFD,
                NEVER,
                claimed=NEVER,
            ),
        ),
        "the promise is about MISSING events; who is registered for MINOR events may get one where none was expected",
    ),
    Proposition(
        21,
        "David Stevens",
        "punch a hole after registering, then rely on the event, as QEMU does",
        (
            Question(
                "is an event lost?",
                MERGED,
                DATA_DATA,
                ((Collapse(0),), (UffdRegister(), PunchHole(1), Touch(1))),
                UFFD,
                NEVER,
                claimed=NEVER,
            ),
            Question(
                "is an event lost?",
                ("linux-6.2",),
                DATA_DATA,
                ((UffdRegister(), PunchHole(1)), (Collapse(0),)),
                UFFD,
                SOMETIMES,
                deviations=0,
            ),
        ),
    ),
)
