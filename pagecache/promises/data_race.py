"""Data races: what KCSAN reports, without waiting for the two to meet.

Two accesses of one field *race* if they are by different tasks, one at least writes, one is plain, and nothing orders
them: no lock was handed over in between.  A race is seen in every run in which both happen, whether or not they come
close, and whether or not anything goes wrong.  So a lock that is missing is found in the first schedules; the lost
update that it allows needs a schedule of its own.

As in KCSAN a plain write of a word is taken for atomic by a *marked* read (CONFIG_KCSAN_ASSUME_PLAIN_WRITES_ATOMIC):
READ_ONCE() on one side is enough.

**What orders.**  A lock: who takes it comes after all who have released it; of those only the writers count for who
takes a semaphore for reading.  A wake-up: who is woken comes after who changed what it was waiting for.  Nothing else:
reference counts, and pointers that are followed under RCU, order nothing here, since no watched field is reached by
one.  What is freed before its grace period is over is another promise's.

**How.**  It is the happens-before relation of vector clocks (FastTrack: Flanagan, Freund, PLDI 2009), transposed: with
each access goes who comes after it, instead of a clock with each task and each lock.  That is finite, and says no more
than is needed, so the exhaustive search can compare it.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from pagecache.locks import LOCK_ORDER, RwSemaphore
from pagecache.operations import Operation
from pagecache.promises.instrumented import FALLOC, PUBLISHED, Access, heard, instrument, listen
from pagecache.promises.promise import Watcher
from pagecache.step import Step, Task
from pagecache.world import World

__all__ = ["DataRaceWatcher", "Race", "RaceNotes"]


class _Kind(NamedTuple):
    """Of the accesses of a kind the last is kept: who comes after it comes after all of them."""

    field: str
    task: int
    writes: bool


class _Seen:
    """An access that a later one may race with, and who comes after it.

    Args:
        function: where it was.
        told: the rest, for the sentence.
        after: the tasks, and the locks that whoever held them alone has released since.
        after_readers: the semaphores that a reader has released since.
    """

    __slots__ = ("after", "after_readers", "function", "told")
    __fingerprint_skip__: ClassVar = ("function", "told")

    def __init__(self, function: str, told: str, task: Task) -> None:
        self.function = function
        self.told = told
        self.after: list[object] = [task]
        self.after_readers: list[object] = []


class Race(NamedTuple):
    """Two accesses that race.

    Args:
        functions: the kernel functions that did them, in the order of the alphabet.
        field: what is accessed.
        sentence: who did what.
    """

    functions: tuple[str, str]
    field: str
    sentence: str

    def __str__(self) -> str:
        return f"data-race in {' / '.join(self.functions)}: {self.sentence}"


class DataRaceWatcher(Watcher):
    """No two accesses race of which one is plain."""

    __fingerprint_skip__: ClassVar = ("_operations",)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        instrument(world)
        self._seen: dict[_Kind, _Seen] = {}
        self._held: dict[int, list[tuple[object, bool]]] = {}
        """By task, the locks that it held after its last step, each with whether others can read beside it."""
        self._tasks: dict[int, Task] = {}
        self._operations: dict[int, Operation] = {}
        """By task, what it does; for the sentence only."""

    def called(self, task: Task, number: int, operation: Operation) -> None:
        del number
        self._tasks[task.number] = task
        self._operations[task.number] = operation

    def before(self, task: Task, step: Step) -> None:
        del task, step
        listen()

    def after(self, task: Task, step: Step) -> str | None:
        accesses = heard()
        self._wake(task, step)
        self._hand_over(task)
        for access in accesses:
            for race in [] if access.marked else self._races(task, access):
                objection = self.judge(race)
                if objection is not None:
                    return objection
        return None

    def judge(self, race: Race) -> str | None:
        """The objection to a race; ``None`` to go on."""
        return str(race)

    def _wake(self, task: Task, step: Step) -> None:
        """Who waits for what this step has changed comes after it; locks are handed over in another way."""
        if step.target is None or not step.writes or step.target[0] in LOCK_ORDER:
            return
        for number, pending in enumerate(self.world.pending):
            waits = pending is not None and pending.ready is not None and pending.target == step.target
            if waits and number in self._tasks:
                for seen in self._before(task):
                    _add(seen.after, self._tasks[number])

    def _hand_over(self, task: Task) -> None:
        """Give to the locks that the step has released, and take from those that it has taken."""
        before = self._held.get(task.number, [])
        held = [(lock, isinstance(lock, RwSemaphore) and lock.writer is not task) for lock in task.held]
        self._held[task.number] = held
        for lock, shared in before:
            if (lock, shared) not in held:
                for seen in self._before(task):
                    _add(seen.after_readers if shared else seen.after, lock)
        for lock, shared in held:
            if (lock, shared) not in before:
                for seen in self._seen.values():
                    if lock in seen.after or (not shared and lock in seen.after_readers):
                        _add(seen.after, task)

    def _before(self, task: Task) -> list[_Seen]:
        """The accesses that ``task`` comes after."""
        return [seen for seen in self._seen.values() if task in seen.after]

    def _races(self, task: Task, access: Access) -> list[Race]:
        """The earlier accesses with which it races; and keep it."""
        if access.field == PUBLISHED and access.writes:  # from here on it is another one, if any
            self._seen = {kind: seen for kind, seen in self._seen.items() if not kind.field.startswith(FALLOC)}
        told = self._tell(task, access)
        races = []
        for kind, seen in self._seen.items():
            if kind.field == access.field and (kind.writes or access.writes) and task not in seen.after:
                one, other = sorted((seen.function, access.function))
                sentence = f"{seen.told}, then {told}, and nothing orders the two"
                races.append(Race((one, other), access.field, sentence))
        self._seen[_Kind(access.field, task.number, access.writes)] = _Seen(access.function, told, task)
        return races

    def _tell(self, task: Task, access: Access) -> str:
        verb = "writes" if access.writes else "reads"
        locks = f"under {', '.join(map(str, task.held))}" if task.held else "without a lock"
        return f"{task} {self._operations[task.number]!r} {verb} {access.field} {locks}"


class RaceNotes(DataRaceWatcher):
    """Objects to nothing: for who wants to know of all races.

    Args:
        world: of the run.
        races: gets them, in the order in which they are seen.
    """

    __fingerprint_skip__: ClassVar = ("races",)

    def __init__(self, world: World, races: list[Race]) -> None:
        super().__init__(world)
        self.races = races

    def judge(self, race: Race) -> None:
        self.races.append(race)


def _add(after: list[object], one: object) -> None:
    if one not in after:
        after.append(one)
