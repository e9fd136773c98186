"""Worlds: a small file and its mappings.

The simplest is what a person would write: two pages of data, one VMA over the whole file, nothing mapped,
nothing registered.
"""

from __future__ import annotations

import functools
import itertools
from typing import Final

from pagecache.world import HPAGE_ORDER_MAX, PAGE_STATES, PAGES_MAX, VMAS_MAX, VmaSpec, WorldSpec
from strategies.grammar import ALWAYS, Draw, Span

__all__ = ["world"]

# Mostly huge pages of two pages and a file of one of them: every catalogued race but two fits in there.
# The order is one more than the number of these that come true.
HIGHER_ORDER: Final = (0.1, 0.1)[: HPAGE_ORDER_MAX - 1]
ANOTHER_HUGE_PAGE: Final = (ALWAYS, 0.15, 0.1, 0.1)
SHORT: Final = 0.2  # i_size below the last page, where that is no data
DATA: Final = PAGE_STATES[:1]
DATA_OR_HOLE: Final = PAGE_STATES[:2]
UNWRITTEN: Final = PAGE_STATES[2:]
NEITHER: Final = 0.12  # data and holes are equally likely: holes are what the thread was about
# A second mapping, perhaps of another process, is what a collapse that asks only its own VMA forgets.
ANOTHER_VMA: Final = (ALWAYS, 0.5, 0.1, 0.1)[:VMAS_MAX]
PARTIAL: Final = (0.05, 0.7)  # the first VMA, the others
NOT_A_TAIL: Final = 0.25  # of those: the first page is the one that everybody looks at
MISSING: Final = (0.4, 0.7)  # the first VMA, the others
MMS: Final = "ABCD"

Range = tuple[int, int]


def world(draw: Draw, like: WorldSpec = WorldSpec()) -> WorldSpec:  # noqa: B008 - a value
    """A world; any valid one whose processes are called A, B, ... in order of appearance can be written."""
    order = 1 + draw.level(HIGHER_ORDER, like.hpage_order - 1)
    nr = 1 << order
    huge_pages = draw.many(
        Span.HUGE_PAGE,
        ANOTHER_HUGE_PAGE[: PAGES_MAX // nr],
        lambda _, states: _huge_page(draw, nr, states),
        [like.pages[start : start + nr] for start in range(0, len(like.pages), nr)],
        DATA * nr,
    )
    pages = tuple(itertools.chain.from_iterable(huge_pages))
    end = len(pages)
    least = max((index + 1 for index, state in enumerate(pages) if state == "data"), default=0)
    size = draw.mostly((end,), range(end - 1, least - 1, -1), SHORT, like.size)
    mms: list[str] = []
    return WorldSpec(
        pages,
        order,
        size,
        draw.many(Span.VMA, ANOTHER_VMA, lambda number, one: _vma(draw, number, pages, mms, one), like.vmas, VmaSpec()),
    )


def _huge_page(draw: Draw, nr: int, like: tuple[str, ...]) -> tuple[str, ...]:
    """The states of ``nr`` pages."""
    wanted = like if len(like) == nr else DATA * nr  # of another length only if it does not matter
    return tuple(draw.mostly(DATA_OR_HOLE, UNWRITTEN, NEITHER, state) for state in wanted)


def _vma(draw: Draw, number: int, pages: tuple[str, ...], mms: list[str], like: VmaSpec) -> VmaSpec:
    """A VMA; ``mms`` are the names used so far, to which it adds its own."""
    wanted = (like.start, like.end)
    if draw.boolean(PARTIAL[min(number, 1)], wanted != (0, len(pages))):
        heads = draw.boolean(NOT_A_TAIL, like.start == 0)
        start, end = draw.option(_parts(len(pages), heads), wanted)
    else:
        start, end = 0, len(pages)
    mm = draw.option(MMS[: len(mms) + 1], like.mm)
    if mm not in mms:
        mms.append(mm)
    missing = draw.boolean(MISSING[min(number, 1)], like.missing)
    data = tuple(index for index in range(start, end) if pages[index] == "data")
    return VmaSpec(mm, start, end, missing, draw.subset(data, like.mapped))


@functools.cache
def _parts(pages: int, heads: bool) -> tuple[Range, ...]:
    """The parts of the file that begin at its first page, or those that begin behind it."""
    if heads:
        return tuple((0, end) for end in range(1, pages))
    return tuple((start, end) for start in range(1, pages) for end in range(pages, start, -1))
