"""What each kind of object is made of, for the fingerprint: values in a fixed order, found out once a class.

An object *with identity* can change, or be compared with ``is``: lists, dictionaries, instances of ordinary classes.
All others are *values*: tuples, frozen dataclasses, members of enumerations, functions without a closure.
What is neither is refused: generators and closures hide their variables, sets of objects their order, objects of
extension modules everything.
"""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import enum
from collections import deque
from collections.abc import Callable, Sequence
from operator import attrgetter
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final, NamedTuple

__all__ = ["ATOMS", "UNBOUND", "Shape", "Shapes", "UnfitError"]

ATOMS: Final = frozenset({int, str, bool, float, type(None)})
"""What stands for itself in a description."""


class _Unbound(enum.Enum):
    UNBOUND = enum.auto()


UNBOUND: Final = _Unbound.UNBOUND
"""The value of a variable or slot that has none."""


class UnfitError(Exception):
    """``value`` has no description; the message is the reason and the remedy."""

    def __init__(self, value: object, reason: str) -> None:
        super().__init__(f"{type(value).__qualname__} cannot be compared between runs: {reason}")
        self.value = value


Values = Callable[[Any], Sequence[Any]]


class Shape(NamedTuple):
    """A kind of object.

    Args:
        number: of the kind.
        values: what an object of this kind is made of.
        has_identity: it is numbered where it is met first, and referred to by its number.
        is_sized: how many values there are differs from object to object.
        may_be_constant: ask :meth:`Shapes.constant` first.
    """

    number: int
    values: Values
    has_identity: bool
    is_sized: bool
    may_be_constant: bool = False


def _sorted_items(items: dict[Any, Any]) -> list[Any]:
    try:
        keys = sorted(items)
    except TypeError:
        keys = list(items)  # the order of insertion is part of such a dictionary's state
    return [part for key in keys for part in (key, items[key])]


def _is_plain(value: object) -> bool:
    return type(value) in ATOMS or (type(value) is tuple and all(map(_is_plain, value)))


def _sorted_members(values: Any) -> Sequence[Any]:
    if all(map(_is_plain, values)):
        with contextlib.suppress(TypeError):
            return sorted(values)
    raise UnfitError(values, "its members cannot be sorted, so it has no order; use a list or a dictionary")


def _items(value: Any) -> Any:
    return value


def _rest_of_reduce(iterator: Any) -> Sequence[Any]:
    """What an iterator still has to give: its sequence and its position."""
    reduced = iterator.__reduce__()
    return (*reduced[1], *reduced[2:])


_ITERATORS: Final[tuple[Any, ...]] = (
    iter(()),
    iter([]),
    iter(""),
    iter({}),
    iter({}.values()),
    iter({}.items()),
    iter(range(0)),
    iter(range(1 << 64)),
    reversed([]),
    reversed(()),
    enumerate(()),
    zip(strict=False),
)

_BUILT_IN: Final[dict[type, tuple[Values, bool]]] = {
    # How it is made up, and whether it has identity; all of them are sized.
    tuple: (_items, False),
    frozenset: (_sorted_members, False),
    bytes: (lambda value: (value.decode("latin-1"),), False),
    range: (lambda value: (value.start, value.stop, value.step), False),
    ModuleType: (lambda module: (module.__name__,), False),
    MethodType: (lambda method: (method.__func__, method.__self__), False),
    BuiltinFunctionType: (lambda function: (function.__qualname__, function.__self__), False),
    list: (_items, True),
    deque: (_items, True),
    dict: (_sorted_items, True),
    set: (_sorted_members, True),
    **{type(iterator): (_rest_of_reduce, True) for iterator in _ITERATORS},
}


class Shapes:
    """The shapes of the classes met so far."""

    def __init__(self) -> None:
        self._shapes: dict[type, Shape] = {}
        self._numbers: dict[int, int] = {}
        self._numbered: list[CodeType | type] = []
        self._only: dict[type, object] = {}
        self.constants: dict[int, bytes] = {}
        """By ``id()`` of a value that never changes, a mark that stands for its description; :meth:`constant`."""
        self._kept: list[object] = []
        self._marks: dict[tuple[object, ...], bytes] = {}

    def number(self, named: CodeType | type) -> int:
        """A function's code or a class by number, in the order in which they are met.

        By ``id()``, since functions of two modules may have equal codes; each is kept, so no other gets its ``id()``.
        """
        number = self._numbers.get(id(named))
        if number is None:
            number = self._numbers[id(named)] = len(self._numbered)
            self._numbered.append(named)
        return number

    def of(self, value: object) -> Shape:
        """The shape of an object that is not one of the ATOMS.

        Raises:
            UnfitError: if it has none.
        """
        kind = type(value)
        try:
            return self._shapes[kind]
        except KeyError:
            shape = self._shapes[kind] = self._find(kind, value)
            return shape

    def constant(self, value: Any, shape: Shape) -> bytes | None:
        """The mark of a value that lives as long as the program and never changes; ``None`` if it is none.

        Those are the members of enumerations and the functions of modules and classes: more than half of what a walk
        comes across are UNBOUND and the functions of a kernel.  Equal descriptions have equal marks.
        """
        if type(value) is FunctionType and (
            "<" in value.__qualname__ or value.__closure__ or value.__defaults__ or value.__kwdefaults__
        ):
            return None  # made anew in each run; or it has something that can change
        mark = self._marks.setdefault((shape.number, *shape.values(value)), b"c%d" % len(self._marks))
        self.constants[id(value)] = mark
        self._kept.append(value)
        return mark

    def _find(self, kind: type, value: Any) -> Shape:
        number = len(self._shapes)
        if kind in _BUILT_IN:
            values, has_identity = _BUILT_IN[kind]
            return Shape(number, values, has_identity, is_sized=True)
        if kind is FunctionType:
            return Shape(number, self._function, has_identity=False, is_sized=False, may_be_constant=True)
        if issubclass(kind, (type, CodeType)):
            return Shape(number, lambda named: (self.number(named),), has_identity=False, is_sized=False)
        if issubclass(kind, enum.Enum):
            return Shape(
                number, lambda member: (member.name,), has_identity=False, is_sized=False, may_be_constant=True
            )
        if issubclass(kind, BaseException):
            return Shape(number, lambda error: (error.args, vars(error)), has_identity=True, is_sized=False)
        if issubclass(kind, tuple) and hasattr(kind, "_fields"):
            return Shape(number, _items, has_identity=False, is_sized=False)
        return self._of_instances(number, kind, value)

    def _function(self, function: Any) -> Sequence[Any]:
        if function.__closure__:
            raise UnfitError(
                function,
                f"{function.__qualname__} is a closure, whose variables are hidden; pass them as arguments, "
                "or keep them in a variable of their own and the function inside of step(...)",
            )
        return (function.__module__, self.number(function.__code__), function.__defaults__, function.__kwdefaults__)

    def _of_instances(self, number: int, kind: type, value: object) -> Shape:
        slots, has_dict = _layout(kind, value)
        if dataclasses.is_dataclass(kind) and kind.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            fields = [field.name for field in dataclasses.fields(kind)]
            return Shape(number, _getter(fields), has_identity=False, is_sized=False)
        if not slots and not has_dict:
            return Shape(number, self._singleton, has_identity=False, is_sized=False)
        skipped = {name for ancestor in kind.__mro__ for name in vars(ancestor).get("__fingerprint_skip__", ())}
        getter = _getter([name for name in slots if name not in skipped])
        if not has_dict:
            return Shape(number, getter, has_identity=True, is_sized=False)

        def values(instance: Any) -> Sequence[Any]:
            named = [(name, held) for name, held in sorted(vars(instance).items()) if name not in skipped]
            return (*getter(instance), *(part for pair in named for part in pair))

        return Shape(number, values, has_identity=True, is_sized=True)

    def _singleton(self, value: object) -> Sequence[Any]:
        if self._only.setdefault(type(value), value) is not value:
            raise UnfitError(
                value,
                "its class has no attributes and more than one instance, so they differ by identity alone; make "
                "them members of an enum.Enum",
            )
        return ()


def _layout(kind: type, value: object) -> tuple[list[str], bool]:
    """The slots of a class, and whether its instances have a dictionary.

    Raises:
        UnfitError: if there is more to its instances, which only its extension module can see.
    """
    slots: dict[str, None] = {}
    for ancestor in reversed(kind.__mro__):
        declared = vars(ancestor).get("__slots__", ())
        for name in (declared,) if isinstance(declared, str) else declared:
            private = name.startswith("__") and not name.endswith("__")
            slots[f"_{ancestor.__name__.lstrip('_')}{name}" if private else name] = None
    slots.pop("__weakref__", None)
    slots.pop("__dict__", None)
    special = [name for name in ("__dict__", "__weakref__") if hasattr(kind, name) and _has(value, name)]
    same = builtins.type("Same", (), {"__slots__": (*slots, *special)})
    if (kind.__basicsize__, kind.__itemsize__) != (same.__basicsize__, same.__itemsize__):
        raise UnfitError(value, "its state is out of Python's sight; keep in a plain object what it stands for")
    return list(slots), "__dict__" in special


def _has(value: object, name: str) -> bool:
    """``hasattr()``; false as well if the attribute is that of another class.

    Up to Python 3.11.3 a dataclass with slots has the ``__weakref__`` of the class without slots that it replaces.
    """
    try:
        return hasattr(value, name)
    except TypeError:
        return False


def _getter(names: Sequence[str]) -> Values:
    """Reads these attributes; one that is not set is UNBOUND."""

    def one_by_one(instance: Any) -> Sequence[Any]:
        return [getattr(instance, name, UNBOUND) for name in names]

    if len(names) < 2:
        return one_by_one
    get_all = attrgetter(*names)

    def all_at_once(instance: Any) -> Sequence[Any]:
        try:
            values: Sequence[Any] = get_all(instance)
        except AttributeError:
            return one_by_one(instance)
        return values

    return all_at_once
