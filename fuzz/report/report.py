"""What a person reads about a run: what ran, the interleaving, the broken promise, how to see it again."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from fuzz.engine.history import History
from fuzz.engine.verdict import Outcome, Verdict
from fuzz.prose import fill, promise_sentence
from fuzz.report.explanation import Explanation
from fuzz.report.ladder import WIDTH_MAX, ladder, one_line
from pagecache.world import WorldSpec
from strategies.case import Case, Deviation

__all__ = ["Report", "case_lines", "program_text", "verdict_lines", "world_facts"]


@dataclass(frozen=True, slots=True)
class Report:
    """One run, as text.

    Args:
        case: what ran.
        history: what happened.
        verdict: what that means.
        minimal: how minimal the case is, as a sentence; empty if nobody looked.
        saved: the path of the entry; empty if there is none.
        replay: the command that runs it again; empty if there is none.
        why: what the failure depends on; ``None`` if nobody looked, or nothing was found.
    """

    case: Case
    history: History
    verdict: Verdict
    minimal: str = ""
    saved: str = ""
    replay: str = ""
    why: Explanation | None = None

    def text(self) -> str:
        """The report, ending with a line end."""
        case = self.case
        blocks = [
            case_lines(case),
            ladder(self.history, case.failures),
            verdict_lines(self.verdict),
            fill(f"Why: {self.why}", WIDTH_MAX) if self.why else [],
            fill(f"Minimal: {self.minimal}.", WIDTH_MAX) if self.minimal else [],
            [*_schedule([*case.schedule, *case.failures]), *fill(one_line(self.history), WIDTH_MAX)],
            [f"  {name:7} {value}" for name, value in (("saved:", self.saved), ("replay:", self.replay)) if value],
        ]
        return _joined(blocks) + "\n"


def program_text(
    history: History, verdict: Verdict, schedule: Sequence[Deviation], why: Explanation | None, minimal: str
) -> str:
    """The same about a program of one's own, of which there is no case.

    Args:
        history: what happened.
        verdict: what that means.
        schedule: where it leaves the order in which each task runs until it blocks or ends.
        why: what the failure depends on; ``None`` if nothing was found.
        minimal: how minimal the schedule is, as a sentence; empty if nobody looked.
    """
    return _joined(
        [
            ladder(history),
            verdict_lines(verdict),
            fill(f"Why: {why}", WIDTH_MAX) if why else [],
            [*_schedule(schedule), *(fill(f"Minimal: {minimal}.", WIDTH_MAX) if minimal else [])],
        ]
    )


def _schedule(places: Sequence[object]) -> list[str]:
    return [f"{'Schedule:' if not number else '':9} {place}" for number, place in enumerate(places)]


def _joined(blocks: Sequence[Sequence[str]]) -> str:
    return "\n\n".join("\n".join(block) for block in blocks if block)


def case_lines(case: Case) -> list[str]:
    """What ran: the kernel, the file and its mappings, and what each task was to do."""
    facts = [("kernel", case.kernel), *world_facts(case.world)]
    facts += [(task.name, "; ".join(map(repr, task.operations))) for task in case.program.tasks]
    width = max(len(name) for name, _ in facts) + 2
    return [
        line
        for name, fact in facts
        for line in textwrap.wrap(
            fact, WIDTH_MAX, initial_indent=name.ljust(width), subsequent_indent=" " * width, break_long_words=False
        )
    ]


def world_facts(world: WorldSpec) -> list[tuple[str, str]]:
    """The file and its mappings: each with its name."""
    mount = f", huge={world.huge}" if world.huge != "never" else ""
    facts = [("file", f"{' '.join(world.pages)}; i_size {world.size}, huge pages of {1 << world.hpage_order}{mount}")]
    if world.large:
        facts.append(("in one", ", ".join(f"{first} to {first + (1 << order) - 1}" for first, order in world.large)))
    if world.others:
        what = ", ".join(f"file {number} {state}" for number, state in enumerate(world.others, 1))
        facts.append(("others", f"{what}; each a huge page that reaches behind its end"))
    for number, vma in enumerate(world.vmas):
        mapped = f", mapped {' '.join(map(str, vma.mapped))}" if vma.mapped else ""
        modes = {"MISSING": vma.missing, "MINOR": vma.minor, "WP": vma.wp}
        registered = "".join(f", userfaultfd {mode}" for mode, on in modes.items() if on)
        huge = ", huge pages by PMDs" if vma.huge else ""
        writable = ", writable" if vma.writable else ""
        around = ", fault-around" if vma.around else ""
        pages = f"pages {vma.start} to {vma.end - 1}{mapped}"
        private = ", private" if vma.private else ""
        facts.append((f"vma{number}", f"process {vma.mm}, {pages}{private}{registered}{huge}{writable}{around}"))
    return facts


def verdict_lines(verdict: Verdict) -> list[str]:
    """The verdict: the promise as a sentence, then what happened."""
    match verdict.outcome:
        case Outcome.HELD:
            headline = "All promises held."
        case Outcome.VIOLATED:
            headline = f"Broken promise: {promise_sentence(verdict.promise)}"
        case Outcome.DEADLOCK | Outcome.LIVELOCK:
            headline = f"{verdict.outcome.value.capitalize()}."
        case Outcome.UNKNOWN:
            headline = f"No verdict: {promise_sentence(verdict.promise)}"
    return [*fill(headline, WIDTH_MAX), *fill(verdict.sentence, WIDTH_MAX)]
