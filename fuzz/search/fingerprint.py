"""Two points are equal when nothing that follows can tell them apart.

A fingerprint is a digest of everything that can: the shared state, what the watchers remember, and for each task
where it stands (:mod:`fuzz.search.frames`).  Not part of it: the path, who ran last, the number of steps.

Objects are compared by how they are reached, never by ``id()``: they are numbered in the order in which a
breadth-first walk from the roots meets them, and described by their class and attributes
(:mod:`fuzz.search.shape`).  So two folios that were allocated in another order do not differ, and two lists that are
equal but not the same do.  What has no description is refused with :class:`fuzz.search.frames.FingerprintError`, never
guessed.  What a watcher remembers is its key(), compared by ``==``; one without a key is described like any object.

A class can name attributes that cannot influence the future in ``__fingerprint_skip__``: numbers that only reports
show, constants, logs.  Module-level state is not looked at: it must not change.  A dictionary whose keys can be
sorted is walked in their order, so the model must not depend on the order in which they were inserted.

The digest has 128 bits: for ``n`` points the probability that any two different ones are taken for equal is
below ``n**2 / 2**129``, for ten million 1.5e-25.
"""

from __future__ import annotations

import marshal
from collections.abc import Hashable, Sequence
from hashlib import blake2b
from typing import Final

from fuzz.engine.execution import Execution
from fuzz.search.frames import FingerprintError, Standing, standing
from fuzz.search.shape import ATOMS, Shape, Shapes, UnfitError
from pagecache.promises.promise import Watcher

__all__ = ["Fingerprinter"]

# In a description bytes are marks and anything else is itself, so no two states share one.
_VALUE: Final = b"="
_REFERENCES: Final = [b"%d" % number for number in range(1000)]


class _Walk:
    """One walk from the roots: the description so far, and the objects met, in order."""

    __slots__ = ("_references", "_shapes", "described", "met")

    def __init__(self, shapes: Shapes, described: list[object]) -> None:
        self._shapes = shapes
        self._references = shapes.constants.copy()
        """By ``id()``, which is safe as long as ``met`` keeps the objects alive; never part of the description."""
        self.described = described
        self.met: list[object] = []

    def walk(self, roots: Sequence[object]) -> None:
        """Describe the roots and all that they lead to."""
        self._describe(roots)
        append, of, describe = self.described.append, self._shapes.of, self._describe
        for value in self.met:  # grows while we go
            shape = of(value)
            parts = shape.values(value)
            append(shape.number)
            if shape.is_sized:
                append(len(parts))
            describe(parts)

    def _describe(self, parts: Sequence[object]) -> None:
        """Describe values; objects only get a number here, their turn comes later."""
        append, references = self.described.append, self._references
        for part in parts:
            if type(part) in ATOMS:
                append(part)
                continue
            reference = references.get(id(part))
            if reference is None:
                shape = self._shapes.of(part)
                if shape.has_identity:
                    reference = _reference(len(self.met))
                    self.met.append(part)
                elif not shape.may_be_constant or (reference := self._shapes.constant(part, shape)) is None:
                    self._describe_value(part, shape)
                    continue
                references[id(part)] = reference
            append(reference)

    def _describe_value(self, value: object, shape: Shape) -> None:
        parts = shape.values(value)
        self.described += (_VALUE, shape.number, len(parts))
        self._describe(parts)


def _reference(number: int) -> bytes:
    return _REFERENCES[number] if number < len(_REFERENCES) else b"%d" % number


class Fingerprinter:
    """Makes the fingerprints of one search; those of different fingerprinters must not be compared."""

    def __init__(self) -> None:
        self._shapes = Shapes()
        self._keys: dict[Hashable, int] = {}
        self._execution: Execution | None = None
        self._standings: list[list[Standing]] = []

    def point(self, execution: Execution) -> bytes:
        """The fingerprint of the point at which ``execution`` is.

        Raises:
            FingerprintError: if something in it has no description; the message names it and the remedy.
        """
        described: list[object] = []
        roots: list[object] = []
        for number, frames in enumerate(self._frames(execution)):
            described += (execution.operation[number], execution.called[number], len(frames))
            for frame in frames:
                described += (self._shapes.number(frame.code), frame.instruction, len(frame.values))
                roots += frame.values
        for failure in execution.failures:
            for task, calls in zip(execution.tasks, execution.calls, strict=True):
                if task.name == failure.task:
                    described.append(max(failure.visit - calls[:-1].count(failure.at), 0))  # the last is pending
        roots += execution.tasks
        roots.append(execution.world)
        for _, watcher in execution.watchers:
            if type(watcher).key is not Watcher.key:
                described.append(self._keys.setdefault(watcher.key(), len(self._keys)))
            elif len(vars(watcher)) > 1:  # more than the world
                roots.append(watcher)
        try:
            return self.digest(roots, described)
        except UnfitError as unfit:
            raise FingerprintError(f"{self._where(execution, unfit.value)}: {unfit}") from None

    def digest(self, roots: Sequence[object], described: list[object] | None = None) -> bytes:
        """The fingerprint of what ``roots`` reach.

        Args:
            roots: the objects to start from.
            described: what else is part of it, as atoms.

        Raises:
            UnfitError: if something has no description.
        """
        walk = _Walk(self._shapes, described if described is not None else [])
        walk.walk(roots)
        return blake2b(marshal.dumps(walk.described, 2), digest_size=16).digest()

    def _frames(self, execution: Execution) -> list[list[Standing]]:
        """Where each task stands; what has not moved since the last point stands where it stood."""
        if execution is not self._execution:
            self._execution = execution
            self._standings = [[] for _ in execution.tasks]
        self._standings = [
            standing(routine, known) if routine else []
            for routine, known in zip(execution.routines, self._standings, strict=True)
        ]
        return self._standings

    def _where(self, execution: Execution, value: object) -> str:
        """The variable or attribute that holds an object; a slow search, for messages."""
        for task, frames in zip(execution.tasks, self._frames(execution), strict=True):
            for frame in frames:
                for name, held in frame.named():
                    if held is value:
                        return f"{name} of {frame.code.co_qualname}(), which {task} runs"
        walk = _Walk(self._shapes, [])
        try:
            held = [value for frames in self._frames(execution) for frame in frames for value in frame.values]
            walk.walk([*held, *execution.tasks, execution.world])
        except UnfitError:
            holder = next(
                (one for one in walk.met if any(part is value for part in self._shapes.of(one).values(one))), None
            )
            if holder is not None:
                return f"an attribute or item of a {type(holder).__qualname__}"
        return "what a watcher remembers"
