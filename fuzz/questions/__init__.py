"""What was said on linux-mm about the collapse, as executable questions.

The numbers are those of the project's list of propositions.
"""

from __future__ import annotations

from typing import Final

from fuzz.questions.freezing import FREEZING
from fuzz.questions.insertion import INSERTION
from fuzz.questions.observation import OBSERVATION
from fuzz.questions.question import Proposition

__all__ = ["PROPOSITIONS"]

PROPOSITIONS: Final[tuple[Proposition, ...]] = (*INSERTION, *OBSERVATION, *FREEZING)
