"""The default search in several processes, each with a seed of its own.

What a process finds depends on its seed alone, as if it had been the only one; which of them is the first to find
something depends on the machine.  With ``jobs`` processes the seeds are ``seed`` to ``seed + jobs - 1``, so that
whatever was found is found again by one process with the seed that is told with it.
"""

from __future__ import annotations

import dataclasses
import functools
import multiprocessing
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Final

from fuzz.campaign import Campaign
from fuzz.errors import HarnessError
from fuzz.search.estimates import LeftOfMany
from fuzz.subject import Subject
from pagecache.history import Focus

__all__ = ["search"]

TELL_EVERY: Final = 0.5  # seconds between two messages of a process; a finding is told at once
LOOK_EVERY: Final = 0.2  # seconds: how soon the search notices that it is to stop


def search(
    subject: Subject,
    seed: int,
    schedules_max: int | None,
    *,
    jobs: int,
    focus: Focus | None = None,
    keep_going: bool = False,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[Campaign], None] = lambda _: None,
) -> Campaign:
    """As :meth:`fuzz.campaign.Campaign.search`, in ``jobs`` processes; the campaign is the sum of theirs.

    Args:
        subject: the kernel and its promises.
        seed: of the first process.
        schedules_max: how many runs at most, of all of them together; ``None`` for no limit.
        jobs: how many processes; with one the search is made in this one.
        focus: look there only.
        keep_going: after a failure, look for others.
        stop: asked now and then.
        progress: told now and then, and of each finding.

    Raises:
        HarnessError: if a process ends without an answer.
    """
    if jobs == 1:
        return Campaign.search(
            subject, seed, schedules_max, focus=focus, keep_going=keep_going, stop=stop, progress=progress
        )
    # Forked, since a kernel of one's own is a module that nobody else can import.
    context = multiprocessing.get_context("fork")
    stopped = context.Event()
    together = _Together(Campaign(focused=focus is not None))
    processes: list[ForkProcess] = []
    try:
        for number, share in enumerate(_shares(schedules_max, jobs)):
            receiver, sender = context.Pipe(duplex=False)
            together.receivers[receiver] = number
            alone = functools.partial(
                Campaign.search, subject, seed + number, share, focus=focus, keep_going=keep_going, stop=stopped.is_set
            )
            work = (alone, sender, tuple(together.receivers))
            processes.append(context.Process(target=_work, args=work, daemon=True))
            processes[-1].start()
            sender.close()
        while together.receivers:
            together.listen()
            progress(together.campaign)
            if together.campaign.unknown or (together.campaign.findings and not keep_going):
                break
            if stop():
                stopped.set()
        return together.campaign
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


def _shares(schedules_max: int | None, jobs: int) -> list[int | None]:
    """How many schedules each process runs; one that has none is not started."""
    if schedules_max is None:
        return [None] * jobs
    shares = [schedules_max // jobs + (number < schedules_max % jobs) for number in range(jobs)]
    return [share for share in shares if share]


@dataclass(slots=True)
class _Together:
    """What all processes have told.

    Args:
        campaign: the sum.
        told: by process, the last that it has told.
        receivers: of the processes that have not ended, with their numbers.
    """

    campaign: Campaign
    told: dict[int, Campaign] = field(default_factory=dict)
    receivers: dict[Connection, int] = field(default_factory=dict)

    def listen(self) -> None:
        """Wait a little for messages, and add up what has been told."""
        ready = wait(list(self.receivers), LOOK_EVERY)
        for receiver in ready:
            assert isinstance(receiver, Connection)
            try:
                message = receiver.recv()
            except EOFError:
                raise HarnessError(
                    f"process {self.receivers[receiver] + 1} of the search has ended without an answer; "
                    "look whether the machine has run out of memory, or try fewer --jobs"
                ) from None
            if isinstance(message, BaseException):
                raise message
            campaign, ended = message
            self.told[self.receivers[receiver]] = campaign
            if ended:
                del self.receivers[receiver]
        if ready:
            self._add_up()

    def _add_up(self) -> None:
        whole = Campaign(findings=self.campaign.findings, focused=self.campaign.focused)
        known = {finding.shrunk.verdict.signature for finding in whole.findings}
        for _, one in sorted(self.told.items()):
            whole.schedules += one.schedules
            whole.programs += one.programs
            whole.unknown = whole.unknown or one.unknown
            whole.reached |= one.reached
            whole.left.add(one.left)
            for finding in one.findings:
                if finding.shrunk.verdict.signature not in known:
                    known.add(finding.shrunk.verdict.signature)
                    whole.findings.append(finding)
        self.campaign = whole


def _work(alone: Callable[..., Campaign], sender: Connection, receivers: Sequence[Connection]) -> None:
    """One process: it searches as if it were alone, and tells how far it is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever interrupts means the one who has started us
    for receiver in receivers:
        receiver.close()  # or nobody would notice that the one who listens has gone
    last, known = time.monotonic(), 0

    def tell(campaign: Campaign) -> None:
        nonlocal last, known
        if time.monotonic() - last > TELL_EVERY or len(campaign.findings) > known:
            sender.send((dataclasses.replace(campaign, left=LeftOfMany()), False))  # that is asked for in the end
            last, known = time.monotonic(), len(campaign.findings)

    message: tuple[Campaign, bool] | Exception
    try:
        message = alone(progress=tell), True
    except BrokenPipeError:
        return
    except Exception as error:  # noqa: BLE001 - raised again by the one who listens
        error.add_note(f"In a process of the search:\n{traceback.format_exc()}")
        message = error
    sender.send(message)
