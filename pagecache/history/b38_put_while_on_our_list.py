"""B38: the shrinker lets go of an inode that is still on its own list.

Symptom: a list is corrupted (``list_del corruption``), or whoever walks it later goes astray; in kswapd, and in
close(2) or unlink(2) of a file on tmpfs.

 1. kswapd: moves the files A and B to a list of its own.
 2. kswapd: A's huge page is pinned, so it cannot be split: A stays on that list; iput(A).
 3. kswapd: B's huge page has been split: takes B from the list, without a lock, since nobody else has that list; it has
    read who B's neighbours are, A among them.
 4. close: the last reference to A: shmem_evict_inode() takes A from the list that it is on, with the lock of the
    superblock's list.
 5. kswapd: writes to A, which has gone, and B's other neighbour leads to A.

Mistake: an inode that is to stay is put (``iput()``) where it is, and spliced back in the end.  779750d20b93 ("shmem:
split huge pages beyond i_size under memory pressure", 4.8).

Fix: 62c9827cbb99 ("shmem: fix a race between shmem_unused_huge_shrink and shmem_evict_inode", 5.17): moved back to the
superblock's list, under its lock, before iput().  <20211125064502.99983-1-ligang.bdlg@bytedance.com>; the first version
took a lock for longer, the second is explained with a list of three by Muchun Song
(<CAMZfGtWpWo4KGx02=RuZ3DiFW8b1-SuU90UR3+ccP90+qAeKhA@mail.gmail.com>).  Two are enough.
"""

from __future__ import annotations

from typing import Final

from pagecache.evict import igrab, iput
from pagecache.history.bug import Bug, Focus, Minimum
from pagecache.kernels import LINUX_2026_MENDED
from pagecache.list_head import ListHead, list_del_init, list_move, list_next, list_splice_tail
from pagecache.locks import spin_lock, spin_unlock
from pagecache.operations import CloseFile, Shrink
from pagecache.shrinker import MOVE_BACK, split_behind_the_end
from pagecache.shrinklist import ShmemSbInfo


async def shmem_unused_huge_shrink(sbinfo: ShmemSbInfo) -> None:
    """``shmem_unused_huge_shrink()``: split the folio at the end of each file of the list.

    Leaves out: the batch, which ends the first walk early; ``nr_to_free``, with which an allocation that finds no
    space ends the second one.
    """
    batch = ListHead("list")
    removed = 0
    await spin_lock(sbinfo.shrinklist_lock)
    entry = await list_next(sbinfo.shrinklist)
    while entry is not sbinfo.shrinklist:
        following = await list_next(entry)
        assert entry.inode is not None
        pinned = await igrab(entry.inode)
        if pinned:
            await list_move(entry, batch)
        else:
            await list_del_init(entry)  # "inode is about to be evicted"
            removed += 1
        entry = following
    await spin_unlock(sbinfo.shrinklist_lock)

    entry = await list_next(batch)
    while entry is not batch:
        following = await list_next(entry)
        assert entry.inode is not None
        inode = entry.inode
        what = await split_behind_the_end(inode)
        if what != MOVE_BACK:
            await list_del_init(entry)
            removed += 1
        await iput(inode)
        entry = following

    await spin_lock(sbinfo.shrinklist_lock)
    await list_splice_tail(batch, sbinfo.shrinklist)
    sbinfo.shrinklist_len -= removed
    await spin_unlock(sbinfo.shrinklist_lock)


BUG: Final = Bug(
    number=38,
    name="put-while-on-our-list",
    kernel=LINUX_2026_MENDED.replace(
        name="b38-put-while-on-our-list",
        summary="the shrinker lets go of an inode that is still on its own list",
        source="without 62c9827cbb99",
        shmem_unused_huge_shrink=shmem_unused_huge_shrink,
    ),
    fixed=LINUX_2026_MENDED,
    fix="62c9827cbb99",
    release="5.17",
    minimum=Minimum(2, 2, 1),
    breaks=("no_kernel_assertion_fails", "the_shrinklist_holds_together"),
    focus=Focus(
        operations=(Shrink, CloseFile),
        features={
            "huge": ("always",),
            "others": (("pinned", "idle"), ("idle", "pinned"), ("idle", "pinned", "idle")),
        },
    ),
)
