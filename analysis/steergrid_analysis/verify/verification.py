"""What holding one result against another has found, and what that amounts to.

The records that files.py and folder.py fill and text.py tells of, with the verdict. Compares
nothing itself.
"""

from __future__ import annotations

import dataclasses
import enum

from .agreement import RunAgreement, VectorAgreement
from .pairing import NotCompared


class Verdict(enum.Enum):
    SAME = "the same bits"
    WITHIN = "within the tolerance"
    BEYOND = "not the same"
    NOTHING = "nothing could be compared"


@dataclasses.dataclass(frozen=True)
class Fact:
    """What a result is, beside its numbers. `differences`: (what, in the results, in the other)."""

    name: str
    same: bool | None  # None: nobody can say
    said: tuple[str, ...]  # one text where both are the same, else one a side
    differences: tuple[tuple[str, str, str], ...] = ()


@dataclasses.dataclass
class Verification:
    """Everything that was found. `tolerance` None: only the same bits pass."""

    results: str
    other: str
    tolerance: float | None
    facts: list[Fact] = dataclasses.field(default_factory=list)
    vectors: list[VectorAgreement] = dataclasses.field(default_factory=list)
    runs: list[RunAgreement] = dataclasses.field(default_factory=list)
    not_compared: list[NotCompared] = dataclasses.field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        found = [one for one in [*self.vectors, *self.runs] if one.values or not one.same_bits]
        if not found:
            return Verdict.NOTHING
        if all(one.same_bits for one in found):
            return Verdict.SAME
        passes = all(run.passes(self.tolerance) for run in self.runs) and all(
            vector.passes(self.tolerance, self.judged(vector)) for vector in self.vectors)
        return Verdict.WITHIN if passes else Verdict.BEYOND

    def judged(self, vector: VectorAgreement) -> set[int]:
        """The layers at which a compared run adds the vector."""
        return {layer for run in self.runs if (run.model, run.vectors) == (vector.model, vector.source)
                for layer in run.steered_layers}

    @property
    def passed(self) -> bool:
        return self.verdict in (Verdict.SAME, Verdict.WITHIN)
