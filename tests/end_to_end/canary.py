"""A kernel that always fails: if nobody hears it, the fuzzer is dead.

It is also what a patch of one's own looks like: a Python file that defines ``KERNEL``, one of ours with a
function replaced.  This collapse forgets that it holds the xa_lock.
"""
# ruff: noqa: ANN001, ANN201, ARG001 - whoever tries something out writes no types

from pagecache.kernels import LINUX_6_4
from pagecache.xarray import XaState, xas_load, xas_lock_irq


async def collapse_file(mm, mapping, start, cc):
    xas = XaState(mapping.i_pages, start)
    await xas_lock_irq(xas)
    await xas_load(xas)
    return "SCAN_FAIL"


KERNEL = LINUX_6_4.replace(name="canary", summary="forgets to unlock", source="nobody", collapse_file=collapse_file)
