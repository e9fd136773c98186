"""What was said on linux-mm, asked: each question of each proposition has the answer that its table expects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fuzz.questions import PROPOSITIONS
from fuzz.questions.answered import Answered, Asked
from fuzz.questions.asking import Answer, ask
from fuzz.questions.question import Proposition, Question, Word
from fuzz.questions.variant import Asked as Kernel
from fuzz.questions.worlds import DATA_DATA, DATA_HOLE
from pagecache.operations import Collapse, SeekHole


def questions() -> Iterator[Any]:
    for proposition in PROPOSITIONS:
        for number, question in enumerate(proposition.questions):
            for kernel in question.kernels:
                name = kernel if isinstance(kernel, str) else kernel.name
                large = (
                    len(question.threads) > 2 or len(question.world.pages) > 2 or sum(map(len, question.threads)) > 3
                )
                marks = [pytest.mark.slow] if large and question.expected is Word.NEVER else []
                yield pytest.param(question, kernel, id=f"{proposition.name}.{number}-{name}", marks=marks)


@pytest.mark.parametrize(("question", "kernel"), list(questions()))
def test_the_answer_is_the_expected_one(question: Question, kernel: Kernel) -> None:
    answer = ask(question, kernel)

    assert answer.word is question.expected, answer
    if question.deviations is not None:
        assert len(answer.deviations) == question.deviations, answer.deviations


def test_every_proposition_is_there_once() -> None:
    numbers = [proposition.number for proposition in PROPOSITIONS]

    assert numbers == sorted(set(numbers))


def asked(claimed: Word | None, word: Word) -> Asked:
    deviations = 0 if word is Word.SOMETIMES else None
    expected = word if word is not Word.NOT_SEEN else Word.NEVER
    question = Question("?", ("linux-6.4",), DATA_DATA, ((Collapse(0),),), "no_deadlock", expected, claimed, deviations)
    return Asked(question, Answer("linux-6.4", question.case("linux-6.4"), word, 1), "")


@pytest.mark.parametrize(
    ("pairs", "agrees"),
    [
        ([(Word.NEVER, Word.NEVER), (None, Word.SOMETIMES)], "yes"),
        ([(Word.NEVER, Word.SOMETIMES)], "no"),
        ([(Word.NEVER, Word.SOMETIMES), (Word.SOMETIMES, Word.SOMETIMES)], "in part"),
        ([(Word.NEVER, Word.NOT_SEEN)], "no answer"),
    ],
)
def test_a_claim_agrees_with_the_answers_to_it(pairs: list[tuple[Word | None, Word]], agrees: str) -> None:
    told = Answered(Proposition(1, "somebody", "something", ()), tuple(asked(*pair) for pair in pairs))

    assert told.agrees == agrees


def test_sometimes_needs_a_number_of_deviations() -> None:
    with pytest.raises(ValueError, match="give their number with Sometimes"):
        Question("?", ("linux-6.2",), DATA_HOLE, ((SeekHole(0),),), "no_deadlock", Word.SOMETIMES)
