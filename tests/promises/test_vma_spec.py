"""What is known about mappings, beside what is so: it never contradicts, whatever overlaps with what."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from pagecache.operations import Mremap, Munmap, Operation, Result, UffdRegister, UffdUnregister
from pagecache.promises.file_spec import MAYBE, NO, YES, Certainty
from pagecache.promises.vma_spec import VmaFacts, vmas_changed_by
from pagecache.world import VmaSpec

VMA = st.integers(0, 1)
OPERATIONS = st.one_of(
    st.builds(Munmap, VMA),
    st.builds(lambda vma, dontunmap: Mremap(vma, 1 - vma, dontunmap), VMA, st.booleans()),
    st.builds(UffdRegister, VMA, st.sampled_from(["missing", "minor", "wp"])),
    st.builds(UffdUnregister, VMA),
)


@dataclass
class Truth:
    """Two mappings, and what their facts say."""

    mapped: list[bool] = field(default_factory=lambda: [True, True])
    modes: list[str] = field(default_factory=lambda: ["missing", ""])
    facts: list[VmaFacts] = field(default_factory=lambda: [VmaFacts.of(VmaSpec(missing=True)), VmaFacts.of(VmaSpec())])

    def call(self, operation: Operation) -> None:
        for vma in vmas_changed_by(operation):
            self.facts[vma] = self.facts[vma].called(operation, vma)

    def do(self, operation: Operation, *, fails: bool) -> Result:
        """It takes effect, at once."""
        match operation:
            case Munmap(vma):
                self.mapped[vma], self.modes[vma] = False, ""
            case Mremap(vma, new_vma, dontunmap):
                if not self.mapped[vma]:
                    return "EFAULT"
                self.mapped[new_vma], self.modes[new_vma] = not fails, ""
                if fails:
                    return "ENOMEM"
                if not dontunmap:
                    self.mapped[vma], self.modes[vma] = False, ""
            case UffdRegister(vma, mode):
                if not self.mapped[vma]:
                    return "EINVAL"
                self.modes[vma] = mode
            case UffdUnregister(vma):
                if not self.mapped[vma]:
                    return "EINVAL"
                self.modes[vma] = ""
        return 0

    def answer(self, operation: Operation, result: Result) -> None:
        for vma in vmas_changed_by(operation):
            self.facts[vma] = self.facts[vma].returned(operation, result, vma)

    def check(self) -> None:
        for vma, facts in enumerate(self.facts):
            assert agrees(facts.mapped, self.mapped[vma]), (vma, self)
            assert agrees(facts.registered, self.modes[vma] == "missing"), (vma, self)
            assert agrees(facts.minor_registered, self.modes[vma] == "minor"), (vma, self)
            assert agrees(facts.wp_registered, self.modes[vma] == "wp"), (vma, self)


def agrees(certainty: Certainty, so: bool) -> bool:
    return certainty in (MAYBE, YES if so else NO)


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(
    programs=st.lists(st.lists(st.tuples(OPERATIONS, st.booleans()), max_size=4), min_size=1, max_size=3),
    turns=st.lists(st.integers(0, 2), max_size=40),
)
def test_what_is_known_is_so(programs: list[list[tuple[Operation, bool]]], turns: list[int]) -> None:
    """Each task calls, takes effect, returns, and so on; whose turn it is, is drawn."""
    truth = Truth()
    at = [0] * len(programs)
    results: list[Result] = [0] * len(programs)
    for turn in (*turns, *(number for number in range(len(programs)) for _ in range(12))):
        number = turn % len(programs)
        if at[number] == 3 * len(programs[number]):
            continue
        operation, fails = programs[number][at[number] // 3]
        match at[number] % 3:
            case 0:
                truth.call(operation)
            case 1:
                results[number] = truth.do(operation, fails=fails)
            case _:
                truth.answer(operation, results[number])
        at[number] += 1
        truth.check()


def test_one_after_the_other_everything_is_known() -> None:
    truth = Truth()
    for operation in (Munmap(1), Mremap(0, 1), UffdRegister(1), Mremap(1, 0, True), UffdUnregister(1), Mremap(1, 0)):
        truth.call(operation)
        truth.answer(operation, truth.do(operation, fails=False))
        truth.check()
        assert MAYBE not in [facts.mapped for facts in truth.facts]
        assert MAYBE not in [facts.registered for facts in truth.facts]


def test_two_that_unmap_leave_nothing() -> None:
    truth = Truth()
    for _ in range(2):
        truth.call(Munmap(0))
    for _ in range(2):
        truth.answer(Munmap(0), truth.do(Munmap(0), fails=False))

    assert truth.facts[0].mapped == NO
