"""What a suspended function may still read, and nothing else, is alive."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from fuzz.search.frames import standing
from fuzz.search.shape import UNBOUND
from pagecache.step import Task, step


async def here() -> int:
    await step("here")
    return 0


async def last_use(a: int, b: int) -> int:
    a += b
    await here()
    return a


async def overwritten(a: int, b: int) -> int:
    await here()
    a = b
    return a + b


async def perhaps_overwritten(a: int, b: int) -> int:
    await here()
    if b:
        a = 1
    return a


async def in_a_loop(a: int, b: int) -> None:
    for _ in range(b):
        a += 1
        await here()


async def over_a_loop(a: list[int], b: int) -> int:
    for x in a:
        b = x
        await here()
    return b


async def deleted(a: int, b: int) -> int:
    await here()
    del a
    return b


async def in_a_handler(a: int, b: int) -> int:
    try:
        await here()
        b = 1 // b
        a = 2
    except ZeroDivisionError:
        return a
    return b


async def in_a_finally(a: int, b: int) -> int:
    try:
        await here()
        a = 1 // 0
    finally:
        b += a
    return b


async def captured(a: int, b: int) -> Callable[[], int]:
    def read() -> int:
        return a

    await here()
    b = 1
    return read if b else here  # type: ignore[return-value]


async def reads_all(a: int, b: int) -> dict[str, Any]:
    del b
    await here()
    return locals()


async def in_a_comprehension(a: int, b: int) -> list[int]:
    await here()
    return [a + x for x in range(b)]


@pytest.mark.parametrize(
    ("function", "alive"),
    [
        (last_use, "a"),
        (overwritten, "b"),
        (perhaps_overwritten, "a b"),
        (in_a_loop, "a"),
        (over_a_loop, "b"),
        (deleted, "a b"),
        (in_a_handler, "a b"),
        (in_a_finally, "a b"),
        (captured, "a read"),
        (reads_all, "a"),
        (in_a_comprehension, "a b"),
    ],
)
def test_what_is_alive(function: Callable[[Any, Any], Coroutine[Any, Any, Any]], alive: str) -> None:
    routine = function([1] if function is over_a_loop else 1, 1)
    routine.send(None)
    frame, _ = standing(routine)
    found = [name.split("'")[1] for name, value in frame.named() if "variable" in name and value is not UNBOUND]
    routine.close()

    assert sorted(found) == alive.split()


async def twice() -> None:
    await here()
    await here()


async def outer(a: int) -> int:
    await twice()
    return a


async def sharing(a: int) -> int:
    async def inner() -> None:
        nonlocal a
        await here()
        a += 1
        await here()

    await inner()
    return a


@pytest.mark.parametrize(("function", "values"), [(outer, (1, 1)), (sharing, (1, 2))])
def test_a_frame_stands_where_it_stood_if_nobody_can_have_changed_it(
    function: Callable[[int], Coroutine[Any, Any, int]], values: tuple[int, int]
) -> None:
    routine = function(1)
    routine.send(None)
    first = standing(routine)
    routine.send(Task("t", 0))
    second = standing(routine, first)

    assert (dict(first[0].named())["the variable 'a'"], dict(second[0].named())["the variable 'a'"]) == values
    assert (second[0] is first[0]) is (function is outer)
    assert second[1] is not first[1]
    assert second == standing(routine)
    routine.close()
