"""Which letters the matching answers of questions or pairs have, and whether A and B are balanced.

Where they are not, a preference for a letter cannot be told from the behavior. Pure counting; called by summary.py, put into
words by findings_questions.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

BALANCED = (0.4, 0.6)  # share of A among the matching letters A and B
LEAST_LETTERS = 10  # fewer are unbalanced by chance


@dataclasses.dataclass(frozen=True)
class MatchingLetters:
    """How many questions, or pairs, have A, B, or neither as their matching letter."""

    a: int
    b: int
    others: int

    @classmethod
    def counted(cls, letters: Sequence[str | None]) -> MatchingLetters:
        a, b = letters.count("A"), letters.count("B")
        return cls(a, b, len(letters) - a - b)

    @property
    def total(self) -> int:
        return self.a + self.b + self.others

    @property
    def favoured(self) -> tuple[str, int] | None:
        """The letter that matches too often, and how often; None where A and B are balanced, or too few to tell."""
        both = self.a + self.b
        if both < LEAST_LETTERS or BALANCED[0] <= self.a / both <= BALANCED[1]:
            return None
        return ("A", self.a) if self.a > self.b else ("B", self.b)
