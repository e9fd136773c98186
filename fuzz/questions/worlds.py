"""The worlds in which the propositions are asked; the smallest that have what each is about."""

from __future__ import annotations

from typing import Final

from pagecache.world import VmaSpec, WorldSpec

HOLE_DATA: Final = WorldSpec(("hole", "data"))
HOLE_SWAPPED: Final = WorldSpec(("hole", "swapped"))
DATA_HOLE: Final = WorldSpec(("data", "hole"))
DATA_DATA: Final = WorldSpec(("data", "data"))
REGISTERED: Final = WorldSpec(("data", "hole"), vmas=(VmaSpec(missing=True),))
MAPPED: Final = WorldSpec(("data", "data"), vmas=(VmaSpec(mapped=(1,)),))
ALL_MAPPED: Final = WorldSpec(("data", "data"), vmas=(VmaSpec(mapped=(0, 1)),))
TAIL_REGISTERED: Final = WorldSpec(("data", "hole"), vmas=(VmaSpec(), VmaSpec("B", 1, 2, missing=True)))
OTHER_REGISTERED: Final = WorldSpec(("data", "hole"), vmas=(VmaSpec(), VmaSpec("B", missing=True)))
FOUR_PAGES: Final = WorldSpec(("data", "hole", "data", "data"), hpage_order=2, size=4, vmas=(VmaSpec(end=4),))
ENDS_IN_A_HOLE: Final = WorldSpec(("data", "data", "data", "hole"), hpage_order=2, size=4, vmas=(VmaSpec(end=4),))
STORE_BUFFERS: Final = WorldSpec(("data", "hole"), store_buffers=True)
REGULAR: Final = WorldSpec(("data", "data"), backing="file")
REGULAR_MAPPED: Final = WorldSpec(("data", "data"), vmas=(VmaSpec(mapped=(1,)),), backing="file")
MINOR_REGISTERED: Final = WorldSpec(("data", "hole"), vmas=(VmaSpec(minor=True),))
HOLE_REGISTERED: Final = WorldSpec(("hole", "data"), vmas=(VmaSpec(missing=True),))
