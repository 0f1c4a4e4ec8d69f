"""What a report says about its questions: which of them are one question asked again.

Every sentence is counted from the summary; none of them judges. Called by page.py.
"""

from __future__ import annotations

from .metrics import LEAST
from .summary import RunSummary

MOST_GROUPS = 4  # groups of runs that are told apart; with more, the sentence is a general one


def repeats(runs: list[RunSummary]) -> str | None:
    """What intervals resample where questions stand in several orders of their choices, or twice; None where none does."""
    measured = [run for run in runs if run.questions_done]
    groups: dict[tuple, list[str]] = {}
    for run in measured:
        if run.different < run.questions_done:
            labels = groups.setdefault((run.questions_done, run.different, run.both_orders), [])
            labels += [run.label] * (run.label not in labels)
    if not groups:
        return None
    if len(groups) > MOST_GROUPS:
        return ("Questions that stand in several orders of their choices, or more than once, count as one: intervals resample "
                "the different ones.")
    everywhere = len(groups) == 1 and all(run.different < run.questions_done for run in measured)
    return " ".join(("" if everywhere else f"{', '.join(labels)}: ") + _repeated(*group) for group, labels in groups.items())


def _repeated(questions: int, different: int, both_orders: bool) -> str:
    how = f"in {different} pair{'' if different == 1 else 's'} of both orders" if both_orders else \
        f"of which {different} differ by more than the order of their choices"
    use = f"intervals resample the {different}" if different >= LEAST else "too few for intervals"
    return f"{questions} questions {how}; {use}."
