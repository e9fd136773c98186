"""A kernel that always fails: if nobody hears it, the fuzzer is dead.

It is also what a patch of one's own looks like: a Python file that defines ``KERNEL``, one of ours with a function
replaced.  This collapse empties a slot without the xa_lock.
"""
# ruff: noqa: ANN001, ANN201, ARG001 - whoever tries something out writes no types

from pagecache.kernels import LINUX_6_4
from pagecache.xarray import XaState, xas_store


async def collapse_file(mm, mapping, start, cc):
    xas = XaState(mapping.i_pages, start)
    await xas_store(xas, None)
    return "SCAN_SUCCEED"


KERNEL = LINUX_6_4.replace(name="canary", summary="no lock", source="nobody", collapse_file=collapse_file)
