"""Names and messages as prose for a mail: promises as sentences, lines of a readable length."""

from __future__ import annotations

import textwrap

__all__ = ["count", "fill", "promise_sentence"]


def promise_sentence(name: str) -> str:
    """``data_is_never_reported_as_a_hole`` as the sentence that it is."""
    words = name.replace("_", " ")
    return f"{words[:1].upper()}{words[1:]}."


def fill(text: str, width: int) -> list[str]:
    """``text`` as lines of at most ``width`` columns; an indented line, as in a wait-for table, is left alone."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(" ") or not line:
            lines.append(line)
        else:
            lines += textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False)
    return lines


def count(number: int, noun: str) -> str:
    """``1 run``, ``2 runs``, ``20,000 runs``; ``3 classes``."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}{'es' if noun.endswith('s') else 's'}"
