"""What a verification found, as lines for a user and as JSON for a program.

All texts of files are one printable line each by the time they are here or become so. Numbers that are not finite, which
only damaged or diverged results have, are null in JSON. Called by cli.py.
"""

from __future__ import annotations

import json
import math

from ..h5 import one_line
from .agreement import Extreme, RunAgreement, VectorAgreement
from .pairing import Left, NotCompared, shown
from .verification import Fact, Verdict, Verification

_DIFFERENCES = 8  # of a plan, in lines


def as_text(found: Verification) -> str:
    """The lines of `verify`, the verdict last."""
    lines = [f"results: {one_line(found.results)}", f"other:   {one_line(found.other)}"]
    for fact in found.facts:
        lines += _fact(fact)
    lines += [_vectors(vector) for vector in found.vectors]
    lines += [_run(run) for run in found.runs]
    lines += ["not compared:"] * bool(found.not_compared) + [f"  {_missing(one)}" for one in found.not_compared]
    return "\n".join([*lines, f"verdict: {verdict(found)}"])


def verdict(found: Verification) -> str:
    """One sentence."""
    kind = found.verdict
    rest = "" if not found.not_compared else " in all that was compared"
    if kind in (Verdict.SAME, Verdict.NOTHING):
        return kind.value + (rest if kind is Verdict.SAME else "")
    allowed = "" if found.tolerance is None else f" (allowed: {found.tolerance:g})"
    if kind is Verdict.WITHIN:
        return f"{kind.value}{rest}: {_largest(found)}{allowed}"
    return f"{kind.value}: {_largest(found)}{allowed}"


def _largest(found: Verification) -> str:
    """What decided: the largest difference of a probability, and what a tolerance of probabilities does not cover."""
    said = []
    largest = max((run.probability for run in found.runs if run.probability is not None), default=None)
    if largest is not None:
        said.append("other bits of the same probabilities" if largest == 0 else "a probability is not finite"
                    if math.isinf(largest) else f"probabilities differ by up to {_number(largest)}")
    if tokens := sum(run.tokens for run in found.runs):
        said.append(f"another likeliest token in {_counted(tokens, 'places')}")
    if relabelled := sum(run.relabelled for run in found.runs):
        said.append(f"{_counted(relabelled, 'questions')} with other answer letters")
    apart = [vector for vector in found.vectors if not vector.same_bits]
    beyond = [vector for vector in apart if not vector.passes(found.tolerance, found.judged(vector))]
    if beyond or (apart and not said):
        worst = max(vector.distance.value for vector in beyond or apart)
        said.append(f"vectors differ by up to {_number(worst)} of their length")
    return ", ".join(said)


def _fact(fact: Fact) -> list[str]:
    if fact.same is None:
        return [f"{fact.name}: {'; '.join(fact.said)}"]
    if fact.same:
        return [f"{fact.name}: the same ({fact.said[0]})"]
    said = "" if fact.said[0] == fact.said[-1] else f" ({fact.said[0]}; other {fact.said[-1]})"
    lines = [f"{fact.name}: not the same{said}"]
    lines += [f"  {what}: {ours}; other {theirs}" for what, ours, theirs in fact.differences[:_DIFFERENCES]]
    further = len(fact.differences) - _DIFFERENCES
    return lines + [f"  and {further} more"] * (further > 0)


def _vectors(vector: VectorAgreement) -> str:
    head = f"vectors {vector.model}/{vector.source}: "
    if not vector.values:
        return head + "nothing in common that is done"
    if vector.same_bits:
        return f"{head}the same bits ({_extent(vector.extent)})"
    place = vector.distance.place
    line = (f"{head}other bits in {', '.join(vector.arrays)} ({_extent(vector.extent)}); largest relative distance "
            f"{_number(vector.distance.value)} ({place['array']}, layer {place['layer']})")
    if "mean" in vector.arrays and vector.cosine.value is not None:
        line += f", smallest cosine {vector.cosine.value:.9f} (layer {vector.cosine.place['layer']})"
    return line


def _run(run: RunAgreement) -> str:
    head = f"run {run.model}/{run.run}: "
    if not run.values:
        return head + "nothing in common that is done"
    extent = _extent(run.extent)
    if run.same_bits:
        return f"{head}the same bits ({extent})"
    bits = f"other bits in {run.different} of {run.values} values ({extent})"
    said = [head + (bits if run.arrays else extent)]  # published numbers are decimals: their last bits say nothing
    for what, extreme in (("a probability", run.letter), ("the likeliest token's probability", run.likeliest),
                          ("a mean score", run.score)):
        if extreme.value is not None:
            said.append(f"{_apart(what, extreme.value)} ({_cell(extreme)})")
    if run.score.value is None:
        said.append("the mean scores are the same" if run.scores else "no mean score in both")
    if run.tokens:
        said.append(f"another likeliest token in {_counted(run.tokens, 'places')}")
    if run.relabelled:
        said.append(f"other answer letters in {_counted(run.relabelled, 'questions')}")
    return "; ".join(said)


def _apart(what: str, distance: float) -> str:
    if distance == 0:
        return f"other bits but the same value of {what}"
    return f"largest difference of {what} {_number(distance)}" if math.isfinite(distance) else f"not a finite value of {what}"


def _cell(extreme: Extreme) -> str:
    """Where a difference is: the letter, the cell, the question."""
    place = extreme.place
    said = [str(place["letter"])] if "letter" in place else []
    if place["layer"] is None:
        said.append("unsteered")
    else:
        said += [f"layer {place['layer']}", f"coefficient {shown(place['coefficient'])}"]
    said += [f"question '{one_line(place['question'], 40)}'"] if "question" in place else []
    return ", ".join(said)


def _missing(one: NotCompared) -> str:
    sides = [f"{side.count} {one.why} {name}{_names(side)}"
             for side, name in ((one.results, "the results"), (one.other, "the other")) if side.count]
    return f"{one.where + ': ' if one.where else ''}{one.what}: {', '.join(sides)}"


def _names(side: Left) -> str:
    if not side.names:
        return ""
    return f" ({', '.join(side.names)}{', …' if side.count > len(side.names) else ''})"


def _extent(extent: dict[str, int]) -> str:
    return ", ".join(_counted(count, what) for what, count in extent.items())


def _counted(count: int, plural: str) -> str:
    first, *rest = plural.split(" ", 1)
    return " ".join([str(count), first.removesuffix("s") if count == 1 and not first.endswith("ss") else first, *rest])


def _number(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "infinite (a value is not finite)"


def as_json(found: Verification) -> str:
    """The same, for programs; `exit` is the command's exit code."""
    record = {
        "results": found.results, "other": found.other, "tolerance": found.tolerance,
        "verdict": found.verdict.name.lower(), "exit": 0 if found.passed else 1,
        **{fact.name: {"same": fact.same, "found": list(fact.said), "differences": [
            dict(zip(("what", "results", "other"), one)) for one in fact.differences]} for fact in found.facts},
        "vectors": [{"model": v.model, "name": v.source, "compared": v.extent, "values": v.values, "different": v.different,
                     "arrays": v.arrays, "same_bits": v.same_bits, "distance": _extreme(v.distance),
                     "cosine": _extreme(v.cosine)} for v in found.vectors],
        "runs": [{"model": r.model, "name": r.run, "compared": r.extent, "values": r.values, "different": r.different,
                  "arrays": r.arrays, "same_bits": r.same_bits, "probability": _extreme(r.letter),
                  "likeliest_probability": _extreme(r.likeliest), "score": _extreme(r.score), "scores": r.scores,
                  "likeliest_tokens": r.tokens, "relabelled": r.relabelled} for r in found.runs],
        "not_compared": [{"where": one.where, "what": one.what, "why": one.why, "results": one.results.count,
                          "other": one.other.count} for one in found.not_compared]}
    return json.dumps(record, indent=1, allow_nan=False)


def _extreme(extreme: Extreme) -> dict | None:
    """The value with its place; the value is null where one of the two is not finite."""
    if extreme.value is None:
        return None
    return {"value": extreme.value if math.isfinite(extreme.value) else None, **extreme.place}
