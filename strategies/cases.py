"""Whole cases, as productions of the grammar and as Hypothesis strategies."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis.strategies import SearchStrategy

from pagecache.history import Focus
from pagecache.world import WorldSpec
from strategies.anchors import Anchors
from strategies.case import Case, Program
from strategies.failures import failures
from strategies.grammar import Choice, Draw, Writer
from strategies.hypothesis_draw import ProductionStrategy
from strategies.operations import Kinds
from strategies.programs import named, program
from strategies.schedules import schedule
from strategies.swarm import swarm, with_another
from strategies.worlds import ANY, Features, world

__all__ = ["case", "cases", "focused", "paired", "programs_and_worlds", "swarmed", "write"]

SIMPLEST = Case("", WorldSpec(), Program(()))


def case(draw: Draw, kernel: str, anchors: Anchors = Anchors(), like: Case = SIMPLEST) -> Case:  # noqa: B008 - values
    """A case of ``kernel``: first the world, then what runs in it, then in which order, then what fails."""
    its_world = world(draw, like.world)
    its_program = program(draw, its_world, like.program)
    tasks = tuple(task.name for task in its_program.tasks)
    with_daemons = tuple(task.name for task in Case(kernel, its_world, its_program).tasks)
    its_schedule = schedule(draw, with_daemons, anchors, like.schedule)
    return Case(kernel, its_world, its_program, its_schedule, failures(draw, tasks, anchors, like.failures))


def focused(draw: Draw, kernel: str, focus: Focus) -> Case:
    """A case without deviations in the worlds of ``focus``, made of its operations only."""
    its_world = (
        draw.option(focus.worlds, focus.worlds[0])
        if focus.worlds
        else world(draw, features={"backing": ("shmem",), **focus.features})
    )
    if focus.programs:
        return Case(kernel, its_world, named(draw.option(focus.programs, focus.programs[0])))
    return Case(kernel, its_world, program(draw, its_world, kinds=focus.operations))


def swarmed(
    draw: Draw,
    kernel: str,
    failing: tuple[str, ...] = (),
    *,
    features: Features = ANY,
) -> Case:
    """A case without deviations in any world, made of a few kinds of operations; what searches begin with."""
    its_world = world(draw, features=features)
    its_program = program(draw, its_world, kinds=swarm(draw, its_world))
    tasks = tuple(task.name for task in its_program.tasks)
    return Case(kernel, its_world, its_program, (), failures(draw, tasks, Anchors((), failing)))


def paired(draw: Draw, kernel: str, pair: Callable[[WorldSpec], Kinds], *, features: Features = ANY) -> Case:
    """The same, made of two kinds of operations, which ``pair`` chooses for a world, and perhaps a third."""
    its_world = world(draw, features=features)
    kinds = with_another(draw, its_world, pair(its_world))
    return Case(kernel, its_world, program(draw, its_world, kinds=kinds))


def write(value: Case, anchors: Anchors | None = None) -> list[Choice]:
    """The choices that lead to ``value``, with the smallest possible ``anchors`` unless they are given.

    Raises:
        NotInGrammarError: if none do: it is larger than what is generated, or tasks or processes have other
            names than the grammar gives them.
    """
    writer = Writer()
    case(writer, value.kernel, Anchors.of(value) if anchors is None else anchors, value)
    return writer.choices


def cases(kernel: str, anchors: Anchors) -> SearchStrategy[Case]:
    """Any case of ``kernel`` whose deviations and failures are at ``anchors``."""
    return ProductionStrategy(lambda draw: case(draw, kernel, anchors), f"cases({kernel!r}, {anchors})")


def programs_and_worlds(kernel: str, failing: tuple[str, ...] = ()) -> SearchStrategy[Case]:
    """Cases without deviations, for campaigns in which the engine tries many schedules of each.

    Args:
        kernel: its name.
        failing: the calls that may fail.
    """
    name = f"programs_and_worlds({kernel!r}{f', {failing}' if failing else ''})"
    return ProductionStrategy(lambda draw: swarmed(draw, kernel, failing), name)
