"""What the museum says about a bug: what was wrong, who fixed it, and where one has to look for it."""

from __future__ import annotations

from dataclasses import dataclass

from pagecache.kernel import Kernel
from pagecache.operations import Operation
from pagecache.world import WorldSpec

__all__ = ["Bug", "Focus", "Minimum"]


@dataclass(frozen=True, slots=True)
class Minimum:
    """The smallest program and schedule that the catalogue knows to show the bug.

    Args:
        tasks: threads of the program.
        operations: of all of them together.
        deviations: from run-to-block.
    """

    tasks: int
    operations: int
    deviations: int

    def __str__(self) -> str:
        return f"{self.tasks} / {self.operations} / {self.deviations}"


@dataclass(frozen=True, slots=True)
class Focus:
    """Where to look: these worlds, and programs of these operations.  Arguments and schedules stay free.

    Args:
        worlds: one of them is drawn; not empty.
        operations: by class; not empty.

    Raises:
        ValueError: if either is empty, or an operation has no sensible arguments in any of the worlds.
    """

    worlds: tuple[WorldSpec, ...]
    operations: tuple[type[Operation], ...]

    def __post_init__(self) -> None:
        if not self.worlds or not self.operations:
            raise ValueError(
                f"a focus has {len(self.worlds)} worlds and {len(self.operations)} operations; give at least one each"
            )


@dataclass(frozen=True, slots=True)
class Bug:
    """A real bug.

    Args:
        number: in the catalogue; several files may tell one number's story.
        title: what one sees, in half a sentence.
        kernel: a kernel with the bug in one function.
        fixed: the same kernel with that function as it was after the fix.
        fix: the commit that fixed it, or who refused it on the list.
        release: the first release with the fix; "never merged" if it did not get that far.
        minimum: what the catalogue says about the smallest reproducer.
        breaks: the promises (and the verdicts of the engine, like ``no_deadlock``) by any of which it shows.
        focus: where to look for it.

    Raises:
        ValueError: if the two kernels do not differ in exactly one function.
    """

    number: int
    title: str
    kernel: Kernel
    fixed: Kernel
    fix: str
    release: str
    minimum: Minimum
    breaks: tuple[str, ...]
    focus: Focus

    def __post_init__(self) -> None:
        if len(self.differences) != 1:
            raise ValueError(
                f"{self.kernel.name} differs from {self.fixed.name} in {', '.join(self.differences) or 'nothing'}; "
                "replace exactly one function"
            )

    @property
    def name(self) -> str:
        """The kernel's."""
        return self.kernel.name

    @property
    def differences(self) -> tuple[str, ...]:
        """The functions that differ."""
        functions = self.kernel.functions
        return tuple(name for name in functions if functions[name] is not self.fixed.functions[name])

    @property
    def function(self) -> str:
        """The function that is wrong."""
        return self.differences[0]
