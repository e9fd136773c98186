"""What can go wrong outside of the protocol under test, by whose fault it is.

A broken promise is a :class:`fuzz.engine.verdict.Verdict`, never an exception; an assertion of the model is
:class:`pagecache.step.KernelBug`.  What remains is the input (a corpus entry, a kernel file, the
disk), a replay that takes another way, and the engine itself.  Each message has three parts: what,
with which values, what to do.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pagecache.step import Step

__all__ = ["EntryError", "HarnessError", "InputError", "KernelError", "ReplayMismatch", "SaveError", "no_hash"]


class InputError(Exception):
    """Something given to us is wrong; the message is one paragraph with the file, the value and the remedy."""


class EntryError(InputError):
    """A corpus entry cannot be read."""


class KernelError(InputError):
    """A kernel is unknown, or its file does not define one."""


class SaveError(InputError):
    """A file could not be written.  What was there before is still there, whole."""


class HarnessError(Exception):
    """The engine contradicts itself: a finding about us, not about a kernel."""


@dataclass
class ReplayMismatch(Exception):  # noqa: N818 - the name says what happened, as the reports do
    """A replay took another way than the recording.

    Args:
        entry: the path of the entry as a command line takes it.
        step: the first differing line of the history, counted from 1.
        recorded: what the entry says; empty if the recording had already ended.
        happened: what the run did; empty if the run had already ended.
        kernel: the option by which a command finds the kernel, with a space before it; empty for those of the list.
    """

    entry: str
    step: int
    recorded: str
    happened: str
    kernel: str = ""

    def __str__(self) -> str:
        entry = shlex.quote(self.entry)
        return (
            f"ReplayMismatch: {self.entry}, step {self.step}\n"
            f"  recorded   {self.recorded or '(the recording ends here)'}\n"
            f"  happened   {self.happened or '(the run ends here)'}\n"
            "The kernel has changed since this entry was recorded, or the model reads something that the\n"
            "schedule does not control (the order of a set, id(), a clock).\n"
            f"  look:    pagecache-fuzz replay {entry}{self.kernel} --until {self.step}\n"
            f"  accept:  pagecache-fuzz rerecord {entry}{self.kernel}"
        )


def no_hash(step: Step) -> TypeError:
    """A program of one's own names as a target what cannot be looked for among other targets."""
    return TypeError(
        f"the target of {step} is {step.target!r}, which has no hash; give a text, or a tuple of a text and a number"
    )
