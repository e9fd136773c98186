"""The XArray: the tree of slots of the page cache, and the cursor over it (``lib/xarray.c``).

``xas_*`` is the only way to the slots.  Who holds the ``xa_lock`` reads and writes without being overtaken; a lockless
reader, in an RCU read-side section, may stand between any two loads while the tree changes under him.

====================  ==================================================================
``entry``             what a slot holds: entries, values, RETRY, siblings
``node``, ``array``   the tree, and a walk of its own for whoever watches
``state``             the cursor: restart, in a node, out of bounds, in error; how long it may be trusted
``walk``              load, next, find: one step under the lock, one step a pointer without it
``create``            nodes and the memory for them
``store``             one published slot after the other
``split``             a multi-index entry into smaller ones
``marks``             three bits for each entry
``find_marked``       the next entry that has one of them
====================  ==================================================================
"""

from pagecache.xarray.array import XArray
from pagecache.xarray.create import xas_create_range, xas_nomem
from pagecache.xarray.entry import (
    XA_RETRY_ENTRY,
    Entry,
    RetryEntry,
    SiblingEntry,
    ValueEntry,
    xa_is_retry,
    xa_is_value,
)
from pagecache.xarray.find_marked import xas_find_marked
from pagecache.xarray.marks import (
    XA_MARK_0,
    XA_MARK_1,
    XA_MARK_2,
    xa_marked,
    xas_clear_mark,
    xas_get_mark,
    xas_init_marks,
    xas_set_mark,
)
from pagecache.xarray.node import XaNode
from pagecache.xarray.split import xas_destroy, xas_split, xas_split_alloc, xas_try_split, xas_try_split_min_order
from pagecache.xarray.state import (
    XaState,
    xas_lock_irq,
    xas_pause,
    xas_reset,
    xas_set,
    xas_set_err,
    xas_set_order,
    xas_unlock_irq,
)
from pagecache.xarray.store import store_plainly, xa_cmpxchg, xas_store
from pagecache.xarray.walk import (
    xa_get_order,
    xas_find,
    xas_find_conflict,
    xas_get_order,
    xas_load,
    xas_next,
    xas_next_entry,
    xas_reload,
    xas_retry,
)

__all__ = [
    "XA_MARK_0",
    "XA_MARK_1",
    "XA_MARK_2",
    "XA_RETRY_ENTRY",
    "Entry",
    "RetryEntry",
    "SiblingEntry",
    "ValueEntry",
    "XArray",
    "XaNode",
    "XaState",
    "store_plainly",
    "xa_cmpxchg",
    "xa_get_order",
    "xa_is_retry",
    "xa_is_value",
    "xa_marked",
    "xas_clear_mark",
    "xas_create_range",
    "xas_destroy",
    "xas_find",
    "xas_find_conflict",
    "xas_find_marked",
    "xas_get_mark",
    "xas_get_order",
    "xas_init_marks",
    "xas_load",
    "xas_lock_irq",
    "xas_next",
    "xas_next_entry",
    "xas_nomem",
    "xas_pause",
    "xas_reload",
    "xas_reset",
    "xas_retry",
    "xas_set",
    "xas_set_err",
    "xas_set_mark",
    "xas_set_order",
    "xas_split",
    "xas_split_alloc",
    "xas_store",
    "xas_try_split",
    "xas_try_split_min_order",
    "xas_unlock_irq",
]
