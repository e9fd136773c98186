"""A sparse file as a dictionary: what the system calls of a program that nobody disturbs must return.

Nothing of a page cache is in it, but for large folios: one that is cut loses what lies behind the end of the file,
unless fallocate() has reserved it, and older kernels do not collapse them.
"""

from __future__ import annotations

from collections.abc import Iterable

from pagecache.operations import (
    EVENT,
    Collapse,
    DontNeed,
    Fallocate,
    Khugepaged,
    Load,
    MemoryFailure,
    Migrate,
    Mincore,
    Mremap,
    Munmap,
    Operation,
    PageOut,
    PinWrite,
    Poke,
    PunchHole,
    Read,
    Result,
    SeekData,
    SeekHole,
    Split,
    Stat,
    Store,
    Swapoff,
    Touch,
    Truncate,
    UffdContinue,
    UffdCopy,
    UffdRegister,
    UffdUnregister,
    UffdWriteProtect,
    UffdZeropage,
    Write,
)
from pagecache.world import WorldSpec

ASLEEP = "asleep until user space fills the page"
RESERVED = "unwritten"
FAILED = "hwpoison"


class SparseFile:
    """``pages`` holds the content of each page that is there; a reserved one is RESERVED."""

    def __init__(self, spec: WorldSpec, *, collapses_large: bool = True) -> None:
        self.nr = 1 << spec.hpage_order
        self.end = len(spec.pages)
        self.size = spec.size
        self.pages = {
            n: f"d{n}" if page in ("data", "swapped") else "0" if page == "zeroes" else RESERVED
            for n, page in enumerate(spec.pages)
            if page != "hole"
        }
        self.vmas = list(spec.vmas)
        self.mapped = dict.fromkeys(range(len(spec.vmas)), True)
        self.missing = {number: vma.missing for number, vma in enumerate(spec.vmas)}
        self.swaps = "swapped" in spec.pages  # then mincore() may say that data is not in core
        self.undirtied = {n for n, page in enumerate(spec.pages) if page == "zeroes"}
        """Holes that a load has filled: reclaim drops what nobody wrote."""
        self.out = {n: n for n, page in enumerate(spec.pages) if page == "swapped"}
        """By page that is swapped out, the slot in which it is."""
        self.device = True
        self.collapses_large = collapses_large
        self.large = {(first, first + (1 << order)) for first, order in spec.large}
        self.fallocend = 0
        self.own: dict[tuple[int, int], str] = {}
        """By private mapping and index, what it has of its own there."""
        self.zero_pages: set[tuple[int, int]] = set()
        """Where that is the zero page."""

    def has_data(self, index: int) -> bool:
        return self.pages.get(index, RESERVED) != RESERVED

    def do(self, operation: Operation, tag: str) -> Result:
        """The result of an operation, ASLEEP if it has none; ``tag`` is what it writes."""
        match operation:
            case Read(index):
                if index < self.size:
                    self.bring_in(index)
                if index < self.size and self.pages.get(index) == FAILED:
                    return "EIO"
                return 0 if index >= self.size else self.content(index)
            case Write(index):
                if self.pages.get(index) == FAILED:
                    return "EIO"
                self.bring_in(index)
                self.undirtied -= {index}
                self.pages[index] = tag
                self.size = max(self.size, index + 1)
                return 1
            case SeekData(index) | SeekHole(index):
                return self.seek(index, data=isinstance(operation, SeekData))
            case Truncate(size):
                if size <= self.size and self.pages:
                    self.remove(size, self.end)
                self.forget(place for place in self.own if place[1] >= size)
                self.size = size
                return 0
            case PunchHole(start, length):
                self.remove(start, start + length)
                self.forget(place for place in self.zero_pages if start <= place[1] < start + length)
                return 0
            case Fallocate(start, length, keep_size):
                for index in range(start, start + length):
                    self.bring_in(index)
                self.undirtied -= set(range(start, start + length))
                for index in range(start, start + length):
                    self.pages[index] = self.content(index) if index in self.pages else RESERVED
                self.fallocend = max(self.fallocend, start + length)
                self.size = self.size if keep_size else max(self.size, start + length)
                return 0
            case Khugepaged(start, vma, max_ptes_none, max_ptes_swap):
                return self.khugepaged(start, vma, max_ptes_none, max_ptes_swap)
            case Collapse(start, vma):
                return self.collapse(start, vma)
            case Load(index, vma) | Store(index, vma) | Touch(index, vma) | Poke(index, vma):
                return self.access(operation, index, vma, tag)
            case PageOut(index):
                if self.pages.get(index) == RESERVED:
                    self.pages[index] = "0"  # what goes to swap has content
                self.swaps = True
                if index in self.undirtied:
                    self.undirtied.remove(index)
                    del self.pages[index]
                if self.pages.get(index, FAILED) != FAILED and index not in self.out:
                    self.send_out(index)
                return 0
            case Swapoff():
                self.out.clear()
                was, self.device = self.device, False
                return 0 if was else "EINVAL"
            case Migrate(index) if self.pages.get(index) == FAILED:
                return "EBUSY"
            case Migrate(index):
                return 0 if index in self.pages and index not in self.out else "ENOENT"
            case Split(index, order):
                self.split(index, 1 << order)
                return 0
            case PinWrite(index, vma):
                answer = self.access(Store(index, vma), index, vma, tag)
                return "EFAULT" if answer in ("SIGBUS", "SIGSEGV") else answer
            case UffdCopy(index, vma) | UffdZeropage(index, vma):
                return self.fill(index, vma, tag if isinstance(operation, UffdCopy) else "0")
            case MemoryFailure(index):
                return self.fail(index)
            case Stat():
                return f"st_size {self.size}, st_blocks {8 * len(self.pages)}"
            case UffdContinue(index, vma):
                return self.go_on(index, vma)
            case UffdWriteProtect():
                return "ENOENT"  # nothing is registered for WP events here
            case Mincore(index, vma):
                there = (vma, index) in self.own or self.has_data(index)
                return int(there) if self.maps(vma, index) else "ENOMEM"
            case UffdRegister(vma, "missing") | UffdUnregister(vma):
                self.missing[vma] = isinstance(operation, UffdRegister) and self.mapped[vma]
                return 0 if self.mapped[vma] else "EINVAL"
            case Munmap(vma):
                self.mapped[vma] = self.missing[vma] = False
                self.forget(place for place in self.own if place[0] == vma)
                return 0
            case Mremap(vma, new_vma, dontunmap):
                if not self.mapped[vma]:
                    return "EFAULT"
                self.mapped[new_vma], self.missing[new_vma] = True, False
                self.mapped[vma] = dontunmap
                self.missing[vma] &= dontunmap
                return 0
            case DontNeed(start, length, vma):
                there = [(vma, index) for index in range(start, start + length) if self.maps(vma, index)]
                self.forget(place for place in there if place in self.own)
                return 0 if len(there) == length else "ENOMEM"
        raise NotImplementedError(operation)

    def forget(self, places: Iterable[tuple[int, int]]) -> None:
        for place in sorted(places):
            del self.own[place]
            self.zero_pages.discard(place)

    def whole(self, index: int) -> range:
        """The pages of the folio, or of the swap entry, that has ``index``."""
        return next((range(*one) for one in self.large if index in range(*one)), range(index, index + 1))

    def bring_in(self, index: int) -> None:
        for page in self.whole(index):
            self.out.pop(page, None)

    def send_out(self, index: int) -> None:
        """To the first free slots; a large folio stays if there are not enough of them side by side."""
        folio = self.whole(index)
        for first in range(0, self.end if self.device else 0, len(folio)):
            slots = range(first, first + len(folio))
            if not set(slots) & set(self.out.values()):
                self.out |= dict(zip(folio, slots, strict=True))
                return

    def fail(self, index: int) -> Result:
        if not self.has_data(index) or index in self.out:
            return "ENOENT"
        if self.pages[index] == FAILED:
            return "EHWPOISON"
        for folio in sorted(self.large):
            if index in range(*folio):
                self.cut(folio)
        if index not in self.pages:
            return "ENOENT"
        self.pages[index] = FAILED
        self.undirtied.discard(index)
        return 0

    def content(self, index: int) -> str:
        return self.pages[index] if self.has_data(index) else "0"

    def maps(self, vma: int, index: int) -> bool:
        return self.mapped[vma] and self.vmas[vma].start <= index < self.vmas[vma].end

    def seek(self, index: int, *, data: bool) -> Result:
        found = (at for at in range(index, self.size) if self.has_data(at) is data)
        end: Result = "ENXIO" if data or index >= self.size else self.size
        return next(found, end)

    def split(self, index: int, nr: int) -> None:
        """Cut the large folio at ``index`` into parts of ``nr`` pages; those behind the end of the file go."""
        for first, behind in sorted(self.large):
            if first <= index < behind and nr < behind - first and index not in self.out:
                end = max(self.size, self.fallocend)
                parts = [(part, part + nr) for part in range(first, behind, nr)]
                kept = {part for part in parts if part[0] < end or part[0] == first}
                self.large = self.large - {(first, behind)} | (kept if nr > 1 else set())
                gone = {page for part in parts if part not in kept for page in range(*part)}
                self.pages = {page: content for page, content in self.pages.items() if page not in gone}

    def remove(self, start: int, end: int) -> None:
        """Remove a range, and cut the large folios at its ends."""
        if start < self.fallocend <= end:
            self.fallocend = start
        gone = set(range(start, end))
        for folio in sorted(self.large):
            of_it = set(range(*folio))
            if gone & of_it and of_it - gone:
                self.bring_in(folio[0])
                self.cut(folio)
            self.large -= {folio} if gone & of_it else set()
        self.pages = {index: page for index, page in self.pages.items() if index not in gone}
        self.out = {index: slot for index, slot in self.out.items() if index in self.pages}
        self.undirtied &= set(self.pages)

    def cut(self, folio: tuple[int, int]) -> None:
        """Make a large folio small ones."""
        self.large.remove(folio)
        first, behind = folio
        for index in range(max(first, self.size, self.fallocend), behind):
            del self.pages[index]

    def collapse(self, start: int, vma: int) -> Result:
        indices = range(start, start + self.nr)
        if not (self.maps(vma, start) and self.maps(vma, start + self.nr - 1)):
            return "EINVAL"
        if not any(index in self.pages for index in indices):
            return "EINVAL"
        inside = {folio for folio in self.large if start <= folio[0] < start + self.nr}
        refused = {first: "EINVAL" for first, behind in inside if behind - first < self.nr}
        refused = {} if self.collapses_large else refused
        refused |= {index: "EAGAIN" for index in indices if self.pages.get(index) == FAILED}
        if refused:
            return refused[min(refused)]
        for index in indices:
            if self.pages.get(index) == RESERVED or index in self.out:
                if index >= self.size:
                    return "EINVAL"
                self.pages[index] = self.content(index)
                self.bring_in(index)
        overlap = [n for n, each in enumerate(self.vmas) if each.start <= start + self.nr and each.end > start]
        if any(index not in self.pages for index in indices) and any(self.missing[number] for number in overlap):
            return "EBUSY"
        self.pages |= {index: self.content(index) for index in indices}
        self.undirtied -= set(indices)
        self.large = self.large - inside | {(start, start + self.nr)}
        return 0

    def khugepaged(self, start: int, vma: int, max_ptes_none: int, max_ptes_swap: int) -> Result:
        """The scan goes from slot to slot, and knows the limits; the rest is a collapse, whose errors have names."""
        indices = range(start, start + self.nr)
        if not (self.maps(vma, start) and self.maps(vma, start + self.nr - 1)):
            return "SCAN_FAIL"
        if (start, start + self.nr) in self.large and start not in self.out:
            return 0
        present = swapped = 0
        for index in indices:
            folio = self.whole(index)
            if index in self.out:
                swapped += 1
                if swapped + folio.stop - index - 1 > max_ptes_swap:
                    return "SCAN_EXCEED_SWAP_PTE"
            elif self.pages.get(index) == FAILED:
                return "SCAN_PAGE_LRU"
            elif index in self.pages:
                if len(folio) > 1 and not self.collapses_large:
                    return "SCAN_PAGE_COMPOUND"
                present += 1
        if present < self.nr - max_ptes_none:
            return "SCAN_EXCEED_NONE_PTE"
        answer = self.collapse(start, vma)
        return {"EBUSY": "SCAN_EXCEED_NONE_PTE", "EINVAL": "SCAN_FAIL"}.get(str(answer), answer)

    def access(self, operation: Operation, index: int, vma: int, tag: str) -> Result:
        if not self.maps(vma, index):
            return "SIGSEGV"
        stores = isinstance(operation, Store | Poke)
        if (vma, index) in self.own:
            self.zero_pages -= {(vma, index)} if stores else set()
            self.own[vma, index] = tag if stores else self.own[vma, index]
            return 0 if stores else self.own[vma, index]
        if index >= self.size:
            return "SIGBUS"
        if index not in self.pages and self.missing[vma]:
            return EVENT if isinstance(operation, Touch | Poke) else ASLEEP
        self.bring_in(index)
        if self.pages.get(index) == FAILED:
            return "SIGBUS"
        private = self.vmas[vma].private
        if stores and not private:
            self.undirtied.discard(index)
        elif index not in self.pages:
            self.undirtied.add(index)
        self.pages[index] = tag if stores and not private else self.content(index)
        if stores and private:
            self.own[vma, index] = tag
        return 0 if stores else self.pages[index]

    def go_on(self, index: int, vma: int) -> Result:
        if not self.missing[vma] or not self.maps(vma, index):
            return "ENOENT"
        if index >= self.size:
            return "EINVAL"
        if index not in self.pages:
            return "EFAULT"
        self.bring_in(index)
        self.pages[index] = self.content(index)
        return 0

    def fill(self, index: int, vma: int, content: str) -> Result:
        if not self.missing[vma] or not self.maps(vma, index):
            return "ENOENT"
        if index >= self.size:
            return "EFAULT"
        if index in self.pages and not self.vmas[vma].private:
            return "EEXIST"
        if not self.vmas[vma].private:
            self.pages[index] = content
            return 0
        if (vma, index) in self.own:
            return "EEXIST"
        self.own[vma, index] = content
        self.zero_pages |= {(vma, index)} if content == "0" else set()
        return 0
