"""What the CPU of a task does by itself."""

from __future__ import annotations

from dataclasses import dataclass

from pagecache.operations.operation import Operation, Result
from pagecache.store_buffer import publish
from pagecache.world import World

__all__ = ["Publish"]


@dataclass(frozen=True, slots=True, repr=False)
class Publish(Operation):
    """The store buffer of the CPU on which a task runs.  It has no result: it never ends.

    No operation of a program: each task has one, in a world with store buffers.
    """

    task: int

    async def run(self, world: World, tag: str) -> Result:
        return await publish(world.store_buffers[self.task])
