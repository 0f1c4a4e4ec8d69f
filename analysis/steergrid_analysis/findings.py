"""What a report says in words: what is missing, and what the numbers amount to.

Every sentence is counted from the summary; none of them judges. Called by page.py.
"""

from __future__ import annotations

import numpy as np

from . import comparison, style
from .metrics import LEAST, LOW_MASS, coefficient_index
from .summary import RunSummary, SweepSummary


def gaps(sweep: SweepSummary) -> list[str]:
    """What is missing, as sentences; empty for a complete and clean sweep."""
    counts, found = sweep.counts, []
    states = [f"{number} {word}" for number, word in ((counts.absent, "not run yet"), (counts.failed, "failed"),
                                                      (counts.blocked, "blocked by a failure")) if number]
    if states:
        found.append(f"{counts.done} of {counts.total} units are done: {', '.join(states)}. "
                     "Everything below is computed from the finished ones.")
    if counts.non_finite:
        found.append(f"{_units(counts.non_finite)} a value that is not finite; such cells are left out of all means.")
    if counts.baseline_only:
        found.append(f"{_units(counts.baseline_only)} the unsteered answers only, as steering was blocked.")
    if counts.mixed:
        found.append(f"{_units(counts.mixed)} results of another machine identity than the sweep's (--allow-mixed).")
    for run in sweep.runs:
        if run.questions_done < run.questions:
            found.append(f"{run.model}, {run.label}: {run.questions_done} of {run.questions} questions.")
        if run.note:
            found.append(f"{run.model}, {run.label}: {run.note}")
    for model in sweep.models:
        found += [f"{model.info.name}: the vectors of {vectors.label} are not there "
                  f"({vectors.blocks_done} of {vectors.blocks_total} blocks extracted)."
                  for vectors in model.vectors if not vectors.done]
    return found


def cautions(sweep: SweepSummary) -> list[str]:
    """Runs whose questions also made their vector, once for all models that share them."""
    found: dict[tuple, list[str]] = {}
    for run in sweep.runs:
        if run.in_pairs:
            found.setdefault((run.label, run.vectors, run.in_pairs, run.questions), []).append(run.model)
    return [f"{label}: {'all' if shared == total else f'{shared} of'} {total} questions also stand in the pairs that the vector "
            f"{vectors} is made from ({', '.join(models)}). Their effect is no test on new questions."
            for (label, vectors, shared, total), models in found.items()]


def _units(number: int) -> str:
    return f"{number} finished unit{' holds' if number == 1 else 's hold'}"


def headline(sweep: SweepSummary) -> str:
    """In how many rows with both signs +c and -c lie apart in the right order; rows that rest on little count in none."""
    steered = [run for run in sweep.reported if run.best is not None]
    both = [run for run in steered if run.layer_at_best("span") is not None]
    spans = [run.layer_at_best("span") for run in both if not run.low_mass(run.reference, -run.reference)]
    single, low = len(steered) - len(both), len(both) - len(spans)
    if not steered:
        return "No steered answer to show: none is finished, or none is finite."
    if not both:
        return ("No row has answers at both +c and −c, so there is no difference between them; beside the unsteered P stands "
                "what the one sign gives.")
    if not spans:
        return (f"In {'the one row' if low == 1 else f'all {low} rows'} with both signs the letter mass at +c or −c is under 50 %: "
                "P rests on little there, and nothing is concluded.")
    with_interval = sum(span.has_interval for span in spans)
    if not with_interval:
        return f"Fewer than {LEAST} different questions a row: too few for an interval, so nothing is said of chance."
    right = sum(span.low > 0 for span in spans)
    wrong = sum(span.high < 0 for span in spans)
    text = (f"In {right} of {with_interval} rows P(matching) with +c lies above P(matching) with −c by more than chance over "
            "questions explains (the 95 % interval of the difference leaves out 0)")
    text += f"; in {wrong} it lies below." if wrong else "."
    few = len(spans) - with_interval
    text += f" {few} more row{' has' if few == 1 else 's have'} too few questions for an interval." if few else ""
    text += _reversed(steered)
    text += (f" In {low} more row{'' if low == 1 else 's'} the letter mass at +c or −c is under 50 %: their P rests on little, and "
             "they are not counted." if low else "")
    return text + (f" {single} more row{' has' if single == 1 else 's have'} answers at one sign only, and no difference."
                   if single else "")


def _reversed(runs: list[RunSummary]) -> str:
    """Where a layer that is not reported goes further in the wrong direction than the reported one in the right one."""
    spans = [(run.layers["span"].values, best.value) for run in runs if (best := run.layer_at_best("span")) is not None]
    few = sum(np.nanmin(layers) < -abs(best) for layers, best in spans)
    return (f" In {few} of the rows another layer moves P(matching) further the other way than the reported one does its own: "
            "see the heatmaps.") if few else ""


def asked(sweep: SweepSummary) -> str | None:
    """Where the coefficient that the user asked for is reported, and which runs keep their own; None where none was."""
    if sweep.wanted is None:
        return None
    own: dict[str, list[str]] = {}
    for run in sweep.runs:
        if run.reference is not None and coefficient_index(np.array([run.reference]), sweep.wanted) is None:
            c = style.coefficient(run.reference, run.coefficient_unit)
            own.setdefault(f"{run.label} at c = {c}", []).append(run.model)
    text = f"Effects and layers are reported at c = {style.number(sweep.wanted)}, as asked for"
    if not own:
        return text + "."
    return f"{text}, but for runs without an answer there: " + "; ".join(
        f"{run} ({', '.join(models)})" for run, models in own.items()) + "."


def one_sign(run: RunSummary) -> str | None:
    """What stands in place of a difference between +c and -c; None where there is one."""
    if run.best is None or run.layer_at_best("span") is not None:
        return None
    return {(1,): "only +c was run", (-1,): "only −c was run"}.get(run.signs, "not both signs here")


def chosen(runs: list[RunSummary]) -> str:
    """Which questions chose the layers."""
    measured = [run for run in runs if run.best is not None]
    held_out = [run for run in measured if run.chosen_on is not None]
    if measured and len(held_out) == len(measured):
        return "Layer chosen on validation questions; all numbers are from the other, test questions."
    apart = "+c lies furthest above −c" + ("" if all(len(run.signs) == 2 for run in measured) else
                                              " or, where one sign was run, it moves P furthest its own way")
    own = (f"The best layer is the one where {apart}; it is chosen on these same questions, so its "
           "difference is optimistic")
    if not held_out:
        return own + "."
    return f"Rows marked * have their layer chosen on validation questions. In the others: {own[0].lower()}{own[1:]}."


def balance(sweep: SweepSummary) -> str | None:
    """How often negative steering is the stronger one; rows that rest on little letter mass count in none."""
    tilts = [tilt for run in sweep.reported if (tilt := run.layer_at_best("tilt")) is not None
             and not run.low_mass(run.reference, -run.reference)]
    if not tilts:
        return None
    tilts = [tilt for tilt in tilts if tilt.has_interval]
    if not tilts:
        return (f"Too few questions for an interval (fewer than {LEAST} different ones): whether one sign moves P(matching) "
                "further is open.")
    more, less = sum(tilt.low > 0 for tilt in tilts), sum(tilt.high < 0 for tilt in tilts)
    return (f"Of {len(tilts)} model and behavior pairs, −c moves P(matching) further than +c in {more}, +c further than −c in "
            f"{less}; in {len(tilts) - more - less} the interval of the difference holds 0.")


def size(sweep: SweepSummary) -> list[str]:
    """The mean effect of the smallest and of the largest model over the behaviors that both have, plain and per length."""
    compared = [found for found in comparison.across_sizes(sweep).values()]
    least = min((points[0].parameters for points in compared), default=0)
    most = max((points[-1].parameters for points in compared), default=0)
    ends = [(points[0], points[-1]) for points in compared
            if points[0].parameters == least and points[-1].parameters == most]
    if not ends:
        return []
    small, large = ends[0][0].model, ends[0][1].model
    found = comparison.left_out(sweep)
    whole = [pair for pair in ends if not any(mass < LOW_MASS for point in pair for mass in (point.mass_plus, point.mass_minus))]
    if len(whole) < len(ends):
        few = len(ends) - len(whole)
        found.append(f"{few} of {len(ends)} behaviors {'is' if few == 1 else 'are'} not in the means below: the letter mass of "
                     f"{small} or {large} is under 50 % there.")
    for what, plus, minus in (("", "plus", "minus"), (" per 10 % of the residual's length", "plus_per_dose", "minus_per_dose")):
        values = np.array([[_value(getattr(point, name)) for name in (plus, minus) for point in pair] for pair in whole])
        values = values.reshape(-1, 4)
        values = values[np.isfinite(values).all(axis=1)]
        if len(values):
            up_small, up_large, down_small, down_large = (_points(value) for value in values.mean(axis=0))
            found.append(f"From {small} to {large} the mean effect{what} over {len(values)} "
                         f"behavior{'' if len(values) == 1 else 's'} goes from {up_small} to {up_large} points with +c and "
                         f"from {down_small} to {down_large} with −c.")
    return found


def _value(estimate) -> float:
    return np.nan if estimate is None else estimate.value


def _points(value: float) -> str:
    return f"{100 * value:+.1f}".replace("-", "−")
