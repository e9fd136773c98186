"""The shape of an operation."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from pagecache.world import World, WorldSpec

__all__ = ["Operation", "Result"]

Result = int | str
"""What user space gets: a number, the content of a page, the name of an error, or a signal."""


@dataclass(frozen=True, slots=True, repr=False)
class Operation:
    """The shape of all operations; not one itself."""

    task_name: ClassVar[str] = ""
    """What a person would call a task that begins with it."""
    backings: ClassVar[tuple[str, ...]] = ("shmem",)
    """The kinds of files on which it is modelled, see :data:`pagecache.world.BACKINGS`."""

    files: ClassVar[int] = 1
    """How many files of one superblock it takes: two if it is about the others."""

    @classmethod
    def fits(cls, world: WorldSpec) -> bool:
        """Is it modelled for such a world?"""
        return world.backing in cls.backings and len(world.others) >= cls.files - 1

    @property
    def pages(self) -> range | None:
        """The pages of the file that it names, by an index or by a start and a length; ``None`` if it names none."""
        index = getattr(self, "index", None)
        if index is not None:
            return range(index, index + 1)
        start, length = getattr(self, "start", None), getattr(self, "length", None)
        return None if start is None or length is None else range(start, start + length)

    def __repr__(self) -> str:
        shown = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)
            if field.default is dataclasses.MISSING or getattr(self, field.name) != field.default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def problem(self, world: WorldSpec) -> str:
        """Why it makes no sense in this world, as a sentence with the value and the remedy; empty if it does."""
        if world.backing not in self.backings:
            names = " or ".join(self.backings)
            return f"{type(self).__name__} is not modelled for backing {world.backing!r}; make the backing {names}"
        if len(world.others) < self.files - 1:
            return f"{type(self).__name__} is about other files, but there are none; give the world 'others'"
        pages = len(world.pages)
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name, value in values.items():
            if not isinstance(value, int):
                continue
            if value < 0:
                return f"{name} is {value}; it must not be negative"
            if name in ("vma", "new_vma") and value >= len(world.vmas):
                return f"{name} is {value}, but the world has {len(world.vmas)}; choose 0 to {len(world.vmas) - 1}"
            if name == "file" and not 0 < value <= len(world.others):
                return f"file is {value}, but the world has {len(world.others)} others; choose 1 to that"
            if name in ("index", "start") and value >= pages:
                return f"{name} is {value}, but the file has {pages} pages; choose 0 to {pages - 1}"
            if name == "size" and value > pages:
                return f"size is {value}, but the file has {pages} pages; choose 0 to {pages}"
            if name == "length" and not 0 < value <= pages - values["start"]:
                longest = pages - values["start"]
                return f"length is {value}, but the file ends {longest} pages behind start; choose 1 to {longest}"
        return ""

    async def run(self, world: World, tag: str) -> Result:
        """Carry it out; ``tag`` is the content that this operation writes, if it writes."""
        raise NotImplementedError
