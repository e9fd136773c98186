"""Worlds: a small file and its mappings.

The simplest is what a person would write: two pages of data, one VMA over the whole file, nothing mapped,
nothing registered.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

from pagecache.world import (
    BACKINGS,
    FILE_STATES,
    HPAGE_ORDER_MAX,
    HUGE,
    HUGE_MOUNTS,
    LARGE_STATES,
    OTHER_STATES,
    OTHERS_MAX,
    PAGE_STATES,
    PAGES_MAX,
    VMAS_MAX,
    Large,
    VmaSpec,
    WorldSpec,
)
from strategies.grammar import ALWAYS, NEVER, Draw, Span

__all__ = ["ANY", "Features", "feature", "world"]

T = TypeVar("T")

Features = Mapping[str, tuple[Any, ...]]
"""What is asked of a world: by name, the values of which one is drawn; see :class:`pagecache.history.Focus`."""

ANY: Final[Features] = MappingProxyType({})

# Mostly huge pages of two pages and a file of one of them: every catalogued race but two fits in there.
# The order is one more than the number of these that come true.
HIGHER_ORDER: Final = (0.1, 0.1)[: HPAGE_ORDER_MAX - 1]
ANOTHER_HUGE_PAGE: Final = (ALWAYS, 0.15, 0.1, 0.1)
SHORT: Final = 0.2  # i_size below the last page, where that is no data
DATA: Final = PAGE_STATES[:1]
HELD: Final = ("data", "swapped", "zeroes", "dirty", "shadow")
DATA_OR_HOLE: Final = PAGE_STATES[:2]
UNWRITTEN: Final = PAGE_STATES[2:]  # or swapped out, or zeroes
CACHED: Final = ("data", "zeroes", "dirty")
NEITHER: Final = 0.16  # data and holes are equally likely: holes are what the thread was about
# A second mapping, perhaps of another process, is what a collapse that asks only its own VMA forgets.
ANOTHER_VMA: Final = (ALWAYS, 0.5, 0.1, 0.1)[:VMAS_MAX]
PARTIAL: Final = (0.05, 0.7)  # the first VMA, the others
NOT_A_TAIL: Final = 0.25  # of those: the first page is the one that everybody looks at
MISSING: Final = (0.5, 0.7)  # the first VMA, the others


class Modes(NamedTuple):
    """What is unusual about a mapping; the fields of a VmaSpec."""

    minor: bool = False
    wp: bool = False
    huge: bool = False
    writable: bool = False
    around: bool = False
    private: bool = False


USUAL: Final = (Modes(),)
PMDS: Final = (Modes(huge=True),)
AROUND: Final = tuple(Modes(huge=huge, around=True) for huge in (False, True))
PRIVATE: Final = tuple(Modes(huge=huge, private=True) for huge in (False, True))
OTHER_MODES: Final = tuple(
    Modes(minor, not minor, huge, private=private)
    for private in (False, True)
    for huge in (False, True)
    for minor in (True, False)
)
OTHER_MODE: Final = 0.08
# Of a regular file, which nobody collapses as long as one of its mappings is writable.
STORES: Final = (
    *PMDS,
    *(Modes(huge=huge, writable=True) for huge in (False, True)),
    *AROUND,
    *(Modes(huge=huge, writable=True, around=True) for huge in (False, True)),
)
STORE: Final = 0.4
MMS: Final = "ABCD"
MOUNTS: Final = tuple(
    (backing, huge, store_buffers)
    for store_buffers in (False, True)
    for backing, huge in ((BACKINGS[0], HUGE[0]), (BACKINGS[1], HUGE[0]), *((BACKINGS[0], huge) for huge in HUGE[1:]))
)
"""The kind of file, the size of new folios, and whether CPUs have store buffers."""
OTHER_MOUNT: Final = (
    *(0.12, 0.33, 0.6, 0.4),  # two thirds are regular files, in the others new folios may be large
    *(0.5,) * 5,  # hardly ever a store buffer: campaigns ask for it
)
FILE_PAGES: Final = (FILE_STATES[:2], FILE_STATES[2:])  # dirty, or evicted
LARGE: Final = 0.25  # where data lies side by side, some of it is in large folios
IN_ONE: Final = LARGE_STATES

OTHER_FILES: Final = 0.4  # where the mount option makes large folios, of which one may reach behind the end of its file
OTHERS: Final = tuple(
    others for count in range(1, OTHERS_MAX + 1) for others in itertools.product(OTHER_STATES, repeat=count)
)

Range = tuple[int, int]
Mount = tuple[str, str, bool]


def feature(draw: Draw, features: Features, name: str, usual: Callable[[], T]) -> T:
    """A field of the world: one of the values that are asked for; if none are, as ``usual``.

    A world with features is only ever drawn; it is written as any other, without them.
    """
    if name not in features:
        return usual()
    values: tuple[T, ...] = features[name]
    return draw.option(values, values[0])


def world(draw: Draw, like: WorldSpec = WorldSpec(), features: Features = ANY) -> WorldSpec:  # noqa: B008 - a value
    """A world; any valid one whose processes are called A, B, ... in order of appearance can be written."""
    backing, huge, store_buffers = _mount(draw, features, (like.backing, like.huge, like.store_buffers))
    order = feature(draw, features, "hpage_order", lambda: 1 + draw.level(HIGHER_ORDER, like.hpage_order - 1))
    nr = 1 << order
    huge_pages = draw.many(
        Span.HUGE_PAGE,
        (_exactly(draw, features, "huge_pages") or ANOTHER_HUGE_PAGE)[: PAGES_MAX // nr],
        lambda _, states: _huge_page(draw, nr, features, states, backing),
        [like.pages[start : start + nr] for start in range(0, len(like.pages), nr)],
        DATA * nr,
    )
    pages = tuple(itertools.chain.from_iterable(huge_pages))
    end = len(pages)
    least = max((index + 1 for index, state in enumerate(pages) if state in HELD), default=0)
    size = draw.mostly((end,), range(end - 1, least - 1, -1), SHORT, like.size)
    mms: list[str] = []
    vmas = draw.many(
        Span.VMA,
        _exactly(draw, features, "vmas") or ANOTHER_VMA,
        lambda number, one: _vma(draw, number, pages, mms, one, features=features, backing=backing),
        like.vmas,
        VmaSpec(),
    )
    large = feature(draw, features, "large", lambda: _large(draw, _tilings(pages, order), like.large))
    others = feature(draw, features, "others", lambda: _others(draw, features, huge, like.others))
    return WorldSpec(pages, order, size, vmas, large, backing, huge, others, store_buffers)


def _mount(draw: Draw, features: Features, like: Mount) -> Mount:
    """What kind of file it is, what size new folios of it have, and whether there are store buffers."""
    if not features.keys().isdisjoint(("backing", "huge", "store_buffers")):
        backing = feature(draw, features, "backing", lambda: MOUNTS[0][0])
        huge = feature(draw, features, "huge", lambda: MOUNTS[0][1])
        return backing, huge, feature(draw, features, "store_buffers", lambda: False)
    return MOUNTS[draw.level(OTHER_MOUNT, MOUNTS.index(like))]


def _others(draw: Draw, features: Features, huge: str, like: tuple[str, ...]) -> tuple[str, ...]:
    """The other files of the superblock."""
    if features or huge not in HUGE_MOUNTS:
        return ()
    return draw.option(OTHERS, like) if draw.boolean(OTHER_FILES, like != ()) else ()


def _large(draw: Draw, tilings: tuple[tuple[Large, ...], ...], like: tuple[Large, ...]) -> tuple[Large, ...]:
    """Which pages are in large folios: mostly none."""
    some = draw.boolean(LARGE if tilings else NEVER, like != ())
    return draw.option(tilings, like) if some else ()


@functools.cache
def _tilings(pages: tuple[str, ...], order: int) -> tuple[tuple[Large, ...], ...]:
    """All ways in which pages can be in large folios up to ``order``, few and small ones first; not that none is."""

    def ways(first: int, order: int) -> list[tuple[Large, ...]]:
        if not order:
            return [()]
        half = 1 << order - 1
        apart = [one + other for one in ways(first, order - 1) for other in ways(first + half, order - 1)]
        states = set(pages[first : first + 2 * half])
        return [*apart, ((first, order),)] if len(states) == 1 and states <= set(IN_ONE) else apart

    huge_pages = [ways(first, order) for first in range(0, len(pages), 1 << order)]
    tilings = [tuple(itertools.chain.from_iterable(one)) for one in itertools.product(*huge_pages)]
    tilings.sort(key=lambda tiling: (len(tiling), [order for _, order in tiling], tiling))
    return tuple(tilings[1:])


def _exactly(draw: Draw, features: Features, name: str) -> tuple[float, ...]:
    """As many as are asked for, as probabilities of one more; nothing if nothing is asked for."""
    return (ALWAYS,) * feature(draw, features, name, lambda: 0)


def _huge_page(draw: Draw, nr: int, features: Features, like: tuple[str, ...], backing: str) -> tuple[str, ...]:
    """The states of ``nr`` pages."""
    wanted = like if len(like) == nr else DATA * nr  # of another length only if it does not matter
    return tuple(_page(draw, features, state, backing) for state in wanted)


def _page(draw: Draw, features: Features, like: str, backing: str) -> str:
    usual, others = (DATA_OR_HOLE, UNWRITTEN) if backing == "shmem" else FILE_PAGES
    return feature(draw, features, "pages", lambda: draw.mostly(usual, others, NEITHER, like))


def _vma(
    draw: Draw, number: int, pages: tuple[str, ...], mms: list[str], like: VmaSpec, *, features: Features, backing: str
) -> VmaSpec:
    """A VMA; ``mms`` are the names used so far, to which it adds its own."""
    start, end = feature(draw, features, "vma.range", lambda: _part(draw, number, len(pages), (like.start, like.end)))
    mm = feature(draw, features, "vma.mm", lambda: draw.option(MMS[: len(mms) + 1], like.mm))
    if mm not in mms:
        mms.append(mm)
    # A choice without a meaning where there is no userfaultfd, lest such a world be shorter, hence simpler.
    registered = MISSING[min(number, 1)] if backing == "shmem" else NEVER
    missing = feature(draw, features, "vma.missing", lambda: draw.boolean(registered, like.missing))
    like_modes = Modes(*(getattr(like, name) for name in Modes._fields))
    others, p = (
        (STORES, STORE)
        if backing != "shmem"
        else (PMDS + AROUND + PRIVATE if missing else PMDS + AROUND + PRIVATE + OTHER_MODES, OTHER_MODE)
    )
    modes = _other_modes(draw, features, others, p, like_modes)
    data = tuple(index for index in range(start, end) if pages[index] in CACHED)
    mapped = draw.subset(data, like.mapped)
    return VmaSpec(mm, start, end, missing, mapped, **modes._asdict())


def _part(draw: Draw, number: int, pages: int, like: Range) -> Range:
    """Which part of the file it maps."""
    if not draw.boolean(PARTIAL[min(number, 1)], like != (0, pages)):
        return 0, pages
    heads = draw.boolean(NOT_A_TAIL, like[0] == 0)
    return draw.option(_parts(pages, heads), like)


def _other_modes(draw: Draw, features: Features, others: tuple[Modes, ...], p: float, like: Modes) -> Modes:
    """Is it registered for MINOR, or for WP events?  Are huge pages mapped by PMDs?  May one store?  Fault-around?

    Is it private?
    """
    names = [f"vma.{name}" for name in Modes._fields]
    if not features.keys().isdisjoint(names):
        return Modes(*(feature(draw, features, name, lambda: False) for name in names))
    return draw.mostly(USUAL, others, p, like)


@functools.cache
def _parts(pages: int, heads: bool) -> tuple[Range, ...]:
    """The parts of the file that begin at its first page, or those that begin behind it."""
    if heads:
        return tuple((0, end) for end in range(1, pages))
    return tuple((start, end) for start in range(1, pages) for end in range(pages, start, -1))
