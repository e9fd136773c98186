"""The law on awaits: a suspended kernel function is fully described by its position and its locals.

Temporaries, loop iterators, context managers and exceptions under way live on the interpreter's value stack.  A reader
cannot see them there, and neither can a debugger; the model keeps them in variables with names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pagecache

FILES = sorted(Path(pagecache.__file__).parent.rglob("*.py"))

ASYNC_BLOCKS = (ast.AsyncFor, ast.AsyncWith)


def violations(source: str) -> list[str]:
    """Each place that breaks the law, with its line and what to do."""
    tree = ast.parse(source)
    parents = {child: parent for parent in ast.walk(tree) for child in ast.iter_child_nodes(parent)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Await):
            found += [(node.lineno, problem) for problem in problems_of_await(node, parents)]
        elif isinstance(node, ASYNC_BLOCKS) or (isinstance(node, ast.comprehension) and node.is_async):
            found.append((getattr(node, "lineno", 0), "async for and async with await where nobody sees it"))
    return [f"line {line}: {problem}" for line, problem in sorted(found)]


def problems_of_await(node: ast.Await, parents: dict[ast.AST, ast.AST]) -> Iterator[str]:
    statement = parents[node]
    is_whole = isinstance(statement, ast.Expr | ast.Assign | ast.AnnAssign | ast.Return) and statement.value is node
    if not is_whole:
        yield "an await is a statement, or the whole right-hand side of an assignment or return"
    child: ast.AST = node
    while not isinstance(child, ast.AsyncFunctionDef):
        parent = parents[child]
        if isinstance(parent, ast.For) and child in parent.body and not runs_over_positions(parent.iter):
            yield "a loop that awaits runs over range(...) or enumerate(name)"
        elif isinstance(parent, ast.With) and child in parent.body:
            yield "no await inside of 'with', which hides the context manager"
        elif isinstance(parent, ast.Try | ast.TryStar) and child in parent.finalbody:
            yield "no await in 'finally', which hides the exception or the result"
        elif isinstance(parent, ast.ExceptHandler) and re_raises(parent):
            yield "no await in an 'except' that raises again: the exception needs a name ('as')"
        child = parent


def runs_over_positions(iterated: ast.expr) -> bool:
    if not isinstance(iterated, ast.Call) or not isinstance(iterated.func, ast.Name):
        return False
    if iterated.func.id == "enumerate":
        return all(isinstance(argument, ast.Name) for argument in iterated.args)
    return iterated.func.id == "range"


def re_raises(handler: ast.ExceptHandler) -> bool:
    """Does it need the exception without having a name for it?"""
    return handler.name is None and any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(FILES[0].parent).as_posix())
def test_the_model_keeps_the_law(path: Path) -> None:
    assert violations(path.read_text(encoding="utf-8")) == []


def test_there_is_something_to_look_at() -> None:
    awaits = [node for path in FILES for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Await)]

    assert len(FILES) > 10
    assert len(awaits) > 100


@pytest.mark.parametrize(
    "body",
    [
        "await f()",
        "x = await f()",
        "x, y = await f()",
        "x.y = await f()",
        "x: int = await f()",
        "return await f()",
        "for i in range(a.b, 3):\n  await f()",
        "for i, x in enumerate(names):\n  await f()",
        "for x in [1, 2]:\n  g(x)",
        "while x:\n  await f()",
        "with g():\n  h()",
        "try:\n  await f()\nexcept KeyError:\n  await f()",
        "try:\n  await f()\nexcept KeyError as error:\n  await f()\n  raise",
        "for x in names:\n  async def inner():\n    await f()",
    ],
)
def test_what_is_allowed(body: str) -> None:
    assert violations(function(body)) == []


@pytest.mark.parametrize(
    "body",
    [
        "g(await f())",
        "x = g(await f())",
        "x = (await f()) + 1",
        "x += await f()",
        "x = (await f()).y",
        "return (await f()) or y",
        "return f'{await f()}'",
        "if await f():\n  pass",
        "while await f():\n  pass",
        "x = await f(await f())",
        "x = [await f() for y in z]",
        "x = y if await f() else z",
        "assert await f()",
        "(x := await f())",
        "for x in await f():\n  pass",
        "for x in names:\n  await f()",
        "for x in a.range(3):\n  await f()",
        "for x in enumerate(a.names):\n  await f()",
        "for x in names:\n  if x:\n    await f()",
        "async for x in f():\n  pass",
        "x = [y async for y in f()]",
        "async with f():\n  pass",
        "with g():\n  await f()",
        "with await f():\n  pass",
        "try:\n  pass\nfinally:\n  await f()",
        "try:\n  pass\nexcept KeyError:\n  await f()\n  raise",
        "match await f():\n  case 1:\n    pass",
    ],
)
def test_what_is_forbidden(body: str) -> None:
    assert violations(function(body)) != []


def function(body: str) -> str:
    return "async def function():\n" + "\n".join(f"  {line}" for line in body.splitlines())
