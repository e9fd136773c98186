"""A world, its tasks and one watcher that is told a history by hand."""

from __future__ import annotations

from pagecache.folio import Folio
from pagecache.kernels import KERNELS_BY_NAME
from pagecache.operations import Operation, Result
from pagecache.promises.promise import Watcher
from pagecache.step import Step, Task
from pagecache.world import World, WorldSpec

KERNEL = KERNELS_BY_NAME["linux-6.4"]
"""Which kernel it is makes no difference: nobody runs it."""


class Watched:
    """Tells a watcher what the test says, and keeps the first objection."""

    def __init__(self, watcher: type[Watcher], spec: WorldSpec | None = None, *, may_fail: bool = False) -> None:
        self.world = World(spec or WorldSpec(), KERNEL)
        self.world.may_fail = may_fail
        self.world.may_swap = False
        self.watcher = watcher(self.world)
        self.tasks: dict[str, Task] = {}
        self.under_way: dict[str, Operation] = {}
        self.numbers: dict[str, int] = {}
        self.objection: str | None = None

    def task(self, name: str) -> Task:
        if name not in self.tasks:
            self.tasks[name] = Task(name, len(self.tasks))
            self.world.pending.append(None)
        return self.tasks[name]

    def call(self, name: str, operation: Operation) -> None:
        assert name not in self.under_way
        self.under_way[name] = operation
        self.numbers[name] = self.numbers.get(name, -1) + 1
        self._keep(self.watcher.called(self.task(name), self.numbers[name], operation))

    def answer(self, name: str, result: Result) -> str | None:
        operation = self.under_way.pop(name)
        self._keep(self.watcher.returned(self.task(name), self.numbers[name], operation, result))
        return self.objection

    def do(self, name: str, operation: Operation, result: Result) -> str | None:
        self.call(name, operation)
        return self.answer(name, result)

    def before(self, name: str, step: Step) -> str | None:
        self._keep(self.watcher.before(self.task(name), step))
        return self.objection

    def after(self, name: str, step: Step) -> str | None:
        self._keep(self.watcher.after(self.task(name), step))
        return self.objection

    def end(self) -> str | None:
        pending = [(self.task(name), operation) for name, operation in self.under_way.items()]
        self._keep(self.watcher.ended(pending))
        return self.objection

    def _keep(self, sentence: str | None) -> None:
        self.objection = self.objection or sentence

    def folio(self, index: int, content: str = "0", *, order: int = 0, uptodate: bool = True) -> Folio:
        """A folio as it is before it is inserted."""
        folio = self.world.memory.new_folio(order)
        folio.mapping = self.world.mapping
        folio.index = index
        folio.uptodate = uptodate
        folio.lru = True
        folio.pages = [content] * folio.nr_pages
        return folio

    def store(self, name: str, index: int, entry: object) -> str | None:
        """An xas_store() of one slot."""
        self.world.mapping.i_pages.slots[index] = entry  # type: ignore[call-overload]
        return self.after(name, Step("xas_store", index, entry, target=("slot", index), writes=True))

    def at(self, index: int) -> Folio:
        """The folio in a slot."""
        folio = self.world.mapping.i_pages.slots[index]
        assert isinstance(folio, Folio)
        return folio
