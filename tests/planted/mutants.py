"""Kernels with one fault each, written as the diff that makes it.

A mutant is a kernel of the table in which one piece of text of one module is replaced by another; the
module is compiled again under the mutant's name, so that a ladder looks as if the kernel had been
posted like that.
"""

from __future__ import annotations

import inspect
import types
from dataclasses import dataclass

from pagecache.collapse import linux_6_4, scan
from pagecache.kernel import Kernel
from pagecache.kernels import KERNELS_BY_NAME

__all__ = ["MUTANTS", "Mutant"]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault.

    Args:
        name: what the kernel lacks.
        old: a piece of text that occurs once in the module.
        new: what stands there instead.
        function: the member of the kernel's table that the module defines.
        module: where.
        of: the kernel that is spoilt.
        also: further replacements that the first one entails.
    """

    name: str
    old: str
    new: str
    function: str = "collapse_file"
    module: types.ModuleType = linux_6_4
    of: str = "linux-6.4"
    also: tuple[tuple[str, str], ...] = ()

    def kernel(self) -> Kernel:
        """The kernel with the fault."""
        text = inspect.getsource(self.module)
        for old, new in ((self.old, self.new), *self.also):
            assert text.count(old) == 1, f"{self.name}: {old!r} occurs {text.count(old)} times"
            text = text.replace(old, new)
        spoilt = types.ModuleType(self.name.replace("-", "_"))
        # The dataclasses and annotations of the module need no name in sys.modules; its functions are all we want.
        exec(compile(text, f"<{self.name}>", "exec"), spoilt.__dict__)  # noqa: S102
        member = getattr(spoilt, self.function)
        changes = {
            self.member: member,
            "name": self.name,
            "summary": f"{self.of} {self.name}",
            "source": "a planted fault",
        }
        return KERNELS_BY_NAME[self.of].replace(**changes)

    @property
    def member(self) -> str:
        """The member of the table, which may have an older version's number in its function's name."""
        return self.function.removesuffix("_4_8")


WITHOUT_PAGE_LOCKS_UNTIL_THE_RECHECK = Mutant(
    "without-page-locks-until-the-recheck",
    old="""        if nr_none:
            nr_none_check = 0
            await down_read(mapping.i_mmap_rwsem)
""",
    new="""        for position in range(len(pagelist)):
            await folio_unlock(pagelist[position])
        if nr_none:
            nr_none_check = 0
            await down_read(mapping.i_mmap_rwsem)
""",
    also=(
        (
            "            await folio_unlock(pagelist[position])\n            await folio_putback_lru(pagelist[position])\n",
            "            await folio_putback_lru(pagelist[position])\n",
        ),
        (
            "        await folio_unlock(pagelist[position])\n        await folio_put_refs(pagelist[position], 3)\n",
            "        await folio_put_refs(pagelist[position], 3)\n",
        ),
    ),
)

RECHECK_UP_TO_THE_LAST_PRESENT_PAGE = Mutant(
    "recheck-up-to-the-last-present-page",
    old="""            for _ in range(start, end):
                entry = await xas_next(xas)
                if entry is None:
                    await xas_store(xas, XA_RETRY_ENTRY)
                    nr_none_check += 1
            if nr_none != nr_none_check:
""",
    new="""            for _ in range(start, pagelist[-1].next_index):
                entry = await xas_next(xas)
                if entry is None:
                    await xas_store(xas, XA_RETRY_ENTRY)
                    nr_none_check += 1
            if nr_none != nr_none_check + end - pagelist[-1].next_index:
""",
)

WITHOUT_RECHECK = Mutant(
    "without-nr-none-recheck",
    old="            if nr_none != nr_none_check:\n",
    new="            if nr_none < nr_none_check:\n",
)

WITHOUT_UFFD_CHECK = Mutant(
    "without-uffd-check",
    old="                if missing:\n",
    new="                if False:\n",
)

WITHOUT_RETRY_ROLLBACK = Mutant(
    "without-putting-the-holes-back",
    old="                    if entry is XA_RETRY_ENTRY:\n                        await xas_store(xas, None)\n",
    new="                    del entry\n",
)

WITHOUT_ONE_PUT = Mutant(
    "without-dropping-the-isolation-reference",
    old="await folio_put_refs(pagelist[position], 3)",
    new="await folio_put_refs(pagelist[position], 2)",
)

WITHOUT_NRPAGES_ROLLBACK = Mutant(
    "without-nrpages-rollback",
    old="            mapping.nrpages -= nr_none\n",
    new="",
)

WITHOUT_UNLOCK = Mutant(
    "without-unlocking-the-new-folio",
    old="    await kernel.retract_page_tables(mapping, start)\n    await folio_unlock(hpage)\n",
    new="    await kernel.retract_page_tables(mapping, start)\n",
)

WITHOUT_REF_CHECK = Mutant(
    "without-reference-check",
    old="                if refcount == 3:\n",
    new="                if refcount:\n",
)

WITHOUT_TLB_FLUSH = Mutant(
    "without-tlb-flush",
    old="    await try_to_unmap_flush(mapping)\n",
    new="",
)

FREES_BEFORE_THE_STORE = Mutant(
    "frees-before-the-store",
    old="    # Join all the small entries into a single multi-index entry.\n",
    new="""    for position in range(len(pagelist)):
        pagelist[position].mapping = None
    # Join all the small entries into a single multi-index entry.
""",
)

WAITS_FOR_THE_MMAP_LOCK = Mutant(
    "waits-for-the-mmap-lock-to-retract",
    old="        locked = await down_write_trylock(vma.mm.mmap_lock)\n",
    new="        await down_write(vma.mm.mmap_lock)\n        locked = True\n",
    function="retract_page_tables_4_8",
    module=scan,
)

SLEEPS_UNDER_THE_XA_LOCK = Mutant(
    "asks-the-vmas-under-the-xa-lock-only",
    old="            await down_read(mapping.i_mmap_rwsem)\n            await xas_lock_irq(xas)\n",
    new="            await xas_lock_irq(xas)\n            await down_read(mapping.i_mmap_rwsem)\n",
)

MUTANTS = (
    WITHOUT_PAGE_LOCKS_UNTIL_THE_RECHECK,
    RECHECK_UP_TO_THE_LAST_PRESENT_PAGE,
    WITHOUT_RECHECK,
    WITHOUT_UFFD_CHECK,
    WITHOUT_RETRY_ROLLBACK,
    WITHOUT_ONE_PUT,
    WITHOUT_NRPAGES_ROLLBACK,
    WITHOUT_UNLOCK,
    WITHOUT_REF_CHECK,
    WITHOUT_TLB_FLUSH,
    FREES_BEFORE_THE_STORE,
    WAITS_FOR_THE_MMAP_LOCK,
    SLEEPS_UNDER_THE_XA_LOCK,
)
