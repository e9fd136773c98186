"""``pagecache-fuzz ask``."""

from __future__ import annotations

import textwrap
import time
from typing import Any, NoReturn

import click

from fuzz.commands.options import CORPUS, common_options
from fuzz.commands.output import leave
from fuzz.commands.progress import progress
from fuzz.commands.status import Status
from fuzz.corpus import store
from fuzz.corpus.vocabulary import vocabulary
from fuzz.questions import PROPOSITIONS
from fuzz.questions.answered import Answered, answered
from fuzz.questions.question import Proposition

__all__ = ["ask"]

NAMES = {proposition.name: proposition for proposition in PROPOSITIONS}
WIDTH = 100


def _named(_ctx: click.Context, _param: click.Parameter, names: tuple[str, ...]) -> list[Proposition]:
    for name in names:
        if name.upper() not in NAMES:
            raise click.BadParameter(f"there is no proposition {name!r}; choose of {', '.join(NAMES)}")
    return [NAMES[name.upper()] for name in names] or list(PROPOSITIONS)


@click.command()
@click.argument("propositions", metavar="[P1 P2 ...]", nargs=-1, callback=_named)
@click.option("--markdown", is_flag=True, help="Print the table of the README.")
@common_options
def ask(propositions: list[Proposition], *, markdown: bool, as_json: bool) -> NoReturn:
    """Ask what was claimed on the list: does any schedule of a small program show it?

    Sometimes: yes, with so many deviations.  Never: all schedules were tried.

    Exits with 0 if all answers are those of the table, 1 if one is not.
    """
    began = time.monotonic()
    paths = store.entry_paths(CORPUS) if CORPUS.is_dir() else []
    entries = {path.name: store.load(path, vocabulary()) for path in paths}
    with progress() as shown:
        told = list(answered(propositions, entries, shown))
    text = "\n".join(_markdown(told)) if markdown else "\n\n".join(map(_as_text, told))
    status = Status.HELD if all(one.expected for one in told) else Status.VIOLATED
    whole = {"propositions": list(map(_as_json, told)), "seconds": round(time.monotonic() - began, 3)}
    leave(status, text, whole, as_json=as_json)


def _as_text(told: Answered) -> str:
    proposition = told.proposition
    head = textwrap.fill(
        f"{proposition.name}  {proposition.who}: {proposition.claim}.", WIDTH, subsequent_indent="     "
    )
    lines = [head]
    for one in told.asked:
        question = one.question
        claim = f", claimed {question.claimed.value}" if question.claimed else ""
        expected = _expected(question.expected.value, question.deviations)
        wrong = "" if one.expected else f"  <-- expected {expected}"
        lines.append(f"     {one.answer.kernel}: {question.asks}")
        lines.append(f"       {one.answer.case.program}")
        lines.append(f"       {one.answer}{claim}{wrong}")
        lines += [f"       {deviation}" for deviation in one.answer.deviations]
        if one.entry:
            lines.append(f"       corpus/{one.entry}")
    remark = f"; {proposition.remark}" if proposition.remark else ""
    lines.append(
        textwrap.fill(f"Agrees: {told.agrees}{remark}.", WIDTH, initial_indent="     ", subsequent_indent="     ")
    )
    return "\n".join(lines)


def _expected(word: str, deviations: int | None) -> str:
    return word if deviations is None else f"{word} with {deviations}"


def _markdown(told: list[Answered]) -> list[str]:
    rows = ["| | Claim | Asked | Answer | Agrees |", "|---|---|---|---|---|"]
    for one in told:
        said: dict[tuple[str, str], list[str]] = {}
        for asked in one.asked:
            said.setdefault((asked.question.asks, _brief(asked.answer)), []).append(f"`{asked.answer.kernel}`")
        for number, ((asks, word), kernels) in enumerate(said.items()):
            proposition = one.proposition
            first = number == 0
            claim = f"{proposition.who}: {proposition.claim}" if first else ""
            name, agrees = (proposition.name, _agrees(one)) if first else ("", "")
            rows.append(f"| {name} | {claim} | {', '.join(kernels)}: {asks} | {word} | {agrees} |")
    return rows


def _brief(answer: Any) -> str:
    word = f"*{answer.word.value}*"
    return f"{word}, {len(answer.deviations)}" if answer.deviations else word


def _agrees(one: Answered) -> str:
    return f"{one.agrees}; {one.proposition.remark}" if one.proposition.remark else one.agrees


def _as_json(told: Answered) -> dict[str, Any]:
    proposition = told.proposition
    return {
        "proposition": proposition.name,
        "who": proposition.who,
        "claim": proposition.claim,
        "agrees": told.agrees,
        "remark": proposition.remark,
        "answers": [
            {
                "kernel": one.answer.kernel,
                "asks": one.question.asks,
                "program": str(one.answer.case.program),
                "promise": one.question.broken,
                "answer": one.answer.word.value,
                "claimed": one.question.claimed.value if one.question.claimed else None,
                "expected": one.expected,
                "deviations": [str(deviation) for deviation in one.answer.deviations],
                "states": one.answer.states,
                "runs": one.answer.runs,
                "limit": one.answer.limit,
                "entry": one.entry or None,
            }
            for one in told.asked
        ],
    }
