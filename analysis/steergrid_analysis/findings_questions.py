"""What a report says about its questions: which of them are one question asked again, and what their letters do.

Every sentence is counted from the summary; none of them judges. Called by page.py.
"""

from __future__ import annotations

from .letters import MatchingLetters
from .metrics import LEAST
from .summary import RunSummary, SweepSummary

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


def letters(sweep: SweepSummary) -> list[str]:
    """What matching letters that are not balanced, or neither A nor B, do to the numbers; once for all models that share
    them."""
    found: dict[tuple[str, str], list[str]] = {}
    for model in sweep.models:
        texts = [(run.label, text) for run in model.runs
                 for text in (_unbalanced_questions(run.matching), _other_letters(run.matching, run.convention)) if text]
        texts += [(vectors.label, text) for vectors in model.vectors if (text := _unbalanced_pairs(vectors.matching))]
        for label_and_text in texts:
            found.setdefault(label_and_text, []).append(model.info.name)
    return [f"{label} ({', '.join(models)}): {text}" for (label, text), models in found.items()]


def _unbalanced_questions(matching: MatchingLetters) -> str | None:
    if matching.favoured is None:
        return None
    letter, count = matching.favoured
    return (f"{letter} is the matching letter of {count} of the {matching.a + matching.b} questions with A or B. Always "
            f"answering {letter} gives P = {100 * count / matching.total:.3g} %: a mere lean towards {letter} raises P, and "
            f"steering towards {letter} passes for an effect.")


def _unbalanced_pairs(matching: MatchingLetters) -> str | None:
    if matching.favoured is None:
        return None
    letter, count = matching.favoured
    return (f"{letter} is the matching letter of {count} of the {matching.a + matching.b} pairs with A or B. Part of the "
            f"vector then points to the letter {letter}, whatever the behavior.")


def _other_letters(matching: MatchingLetters, convention: str) -> str | None:
    if not matching.others:
        return None
    text = (f"{matching.others} of {matching.total} questions {'has' if matching.others == 1 else 'have'} a matching letter "
            "other than A and B")
    if convention != "caa":
        return f"{text}. P divides by all letters of the run, so they count like the rest."
    share = f"{100 * (1 - matching.others / matching.total):.3g} %"
    return f"{text}. They add 0 whatever the answer: P is at most {share}, and effects are {share} of those on the rest."
