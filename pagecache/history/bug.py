"""What the museum says about a bug: what was wrong, who fixed it, and where one has to look for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pagecache.kernel import Kernel
from pagecache.operations import OPERATIONS, Operation
from pagecache.world import VmaSpec, WorldSpec

__all__ = ["FEATURES", "Bug", "Focus", "Minimum"]

FEATURES: Final = frozenset(
    {one.name for one in dataclasses.fields(WorldSpec)}
    | {f"vma.{one.name}" for one in dataclasses.fields(VmaSpec)}
    | {"huge_pages", "vma.range"} - {"vma.start", "vma.end"}
)
"""What a focus may ask of a world: the fields of WorldSpec; those of every VmaSpec, of which start and end are one,
``vma.range``; the size of the file."""


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
    """Where to look: programs of these operations, in worlds like these.  Arguments and schedules stay free.

    Worlds are drawn like those of every search, but for the features that are given: by name, the values of which
    one is drawn (see :data:`FEATURES`; ``strategies/worlds.py`` uses them)::

        Focus((Collapse, Load), {"hpage_order": (2,), "pages": ("data", "hole"), "vma.missing": (True,)})

    ``pages`` lists the states of which each page has one, ``huge_pages`` numbers of huge pages in the file, ``vmas``
    numbers of mappings; a ``vma.`` feature holds for all of them.

    Args:
        operations: all programs are made of these, of Collapse only if it is among them.  A class is drawn with
            any arguments, an instance is itself: ``Focus((Fallocate(0, 4), PageOut))``.
        features: what is asked of the world.
        worlds: instead, the very worlds of which one is drawn.
        programs: instead of operations, the very programs of which one is drawn: tasks of operations.  For what shows
            only to several calls in a row; schedules and failures stay free.
        failures: does it take failures, of memory for example, so that all programs get some?

    Raises:
        ValueError: if there are no operations, or programs too; if a feature is none or has no values; if worlds and
            features are given.
    """

    operations: tuple[type[Operation] | Operation, ...] = ()
    features: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    worlds: tuple[WorldSpec, ...] = ()
    programs: tuple[tuple[tuple[Operation, ...], ...], ...] = ()
    failures: bool = False

    def __post_init__(self) -> None:
        if bool(self.operations) == bool(self.programs):
            raise ValueError(
                f"a focus has {len(self.operations)} operations and {len(self.programs)} programs; give one kind"
            )
        for operation in self.operations:
            if operation not in OPERATIONS and type(operation) not in OPERATIONS:
                raise ValueError(
                    f"a focus has the operation {operation!r}; choose among OPERATIONS, classes or instances of them"
                )
        for name, values in self.features.items():
            if name not in FEATURES:
                raise ValueError(f"a focus asks for the feature {name!r}; choose one of {', '.join(sorted(FEATURES))}")
            if not isinstance(values, tuple) or not values:
                raise ValueError(f"a focus has {values!r} for {name!r}; give a tuple of at least one value")
        if self.features and self.worlds:
            raise ValueError(
                f"a focus has {len(self.worlds)} worlds and the features {', '.join(self.features)}; give one"
            )


@dataclass(frozen=True, slots=True)
class Bug:
    """A real bug: one historical mistake, put into a function of a kernel in which it has been fixed.

    Args:
        number: in the catalogue; several files may tell one number's story.
        name: what is wrong, in two or three words joined by hyphens.
        kernel: the kernel with the bug, called ``bNN-name``; its summary is what one sees.
        fixed: the kernel without: the same functions, except those that the fix changed.
        fix: the commit that fixed it, or who refused it on the list.
        release: the first release with the fix; "never merged" if the mistake did not get that far.
        minimum: what the catalogue says about the smallest reproducer.
        breaks: the promises (and the engine's own, like ``no_deadlock``) by any of which it shows; the fixed kernel
            keeps all of them in the focus.
        focus: where to look for it.

    Raises:
        ValueError: if the kernel has another name, does not differ from the fixed one, or nothing is broken.
    """

    number: int
    name: str
    kernel: Kernel
    fixed: Kernel
    fix: str
    release: str
    minimum: Minimum
    breaks: tuple[str, ...]
    focus: Focus

    def __post_init__(self) -> None:
        wanted = f"b{self.number:02}-{self.name}"
        if self.kernel.name != wanted:
            raise ValueError(f"the kernel of bug {self.number} is called {self.kernel.name!r}; call it {wanted!r}")
        if not self.functions:
            raise ValueError(f"{wanted} has all functions of {self.fixed.name}; replace the one that was wrong")
        if not self.breaks:
            raise ValueError(f"{wanted} breaks nothing; name the promises by which it shows")

    @property
    def functions(self) -> tuple[str, ...]:
        """The members of the table that differ: what was wrong."""
        mine, theirs = self.kernel.functions, self.fixed.functions
        return tuple(name for name in mine if mine[name] is not theirs[name])
