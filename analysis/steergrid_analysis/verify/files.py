"""Holds one result file against another: models, vector sources and runs of the same names.

First what they are (the plan, the identity of the machines and models), then their numbers (vectors.py,
runs.py). Whatever only one of the two has is counted. Neither file is trusted. Called by cli.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from ..h5 import ResultFileError, one_line
from ..results import ResultFile, open_results
from .pairing import leftovers, pair
from .runs import compare_run
from .vectors import compare_vectors
from .verification import Fact, Verification

_DEPTH = 4  # of a run identity; what lies deeper is compared as it is


def verify_files(path: str, other: str, tolerance: float | None = None) -> Verification:
    """Holds two files against each other. `tolerance`: how far probabilities may differ; None: not a bit.

    Throws ResultFileError."""
    found = Verification(path, other, tolerance)
    with open_results(path) as ours, open_results(other) as theirs:
        sides = [ours, theirs]
        names = [side.models() for side in sides]
        models = pair(*names)
        both = [names[0][index] for index in models.ours]
        found.facts = [_plan_fact(sides), _identity_fact(sides, both)]
        found.not_compared = leftovers("", "models", models)
        for model in both:
            _verify_model(found, model, sides)
    return found


def _verify_model(found: Verification, model: str, sides: list[ResultFile]) -> None:
    for kind, names_of, open_rows, compare, into in (
            ("vector sources", ResultFile.vectors_of, ResultFile.vector_rows, compare_vectors, found.vectors),
            ("runs", ResultFile.runs_of, ResultFile.run_rows, compare_run, found.runs)):
        names = [names_of(side, model) for side in sides]
        paired = pair(*names)
        found.not_compared += leftovers(model, kind, paired)
        for name in (names[0][index] for index in paired.ours):
            agreement, missing = compare(model, name, *[open_rows(side, model, name) for side in sides])
            into.append(agreement)
            found.not_compared += missing


def _plan_fact(sides: list[ResultFile]) -> Fact:
    """Fingerprints decide; where they differ or are not recorded, the lines of both plans say in what."""
    prints = tuple(one_line(side.head.plan_fingerprint, 40) for side in sides)
    recorded = "not recorded" not in prints
    if recorded and prints[0] == prints[1]:
        return Fact("plan", True, prints[:1])
    lines = [dict(line.partition(": ")[::2] for line in side.plan_text().splitlines()) for side in sides]
    differences = _differences(*lines)
    return Fact("plan", False if recorded or differences else None, prints, differences)


def _identity_fact(sides: list[ResultFile], models: Sequence[str]) -> Fact:
    """Backend, instruction set, GEMM library; of the models in both files dtype, degree and checkpoint."""
    flat = [_identity(side, models) for side in sides]
    for key in {key for one in flat for key in one if key.startswith("isa.")}:
        if not all(key in one for one in flat):  # a dtype that only one side computes with
            for one in flat:
                one.pop(key, None)
    differences = _differences(*flat)
    machine = [one_line(", ".join(one[key] for key in one if re.match(r"(backend|gemm)$|isa\.", key)), 120) for one in flat]
    return Fact("identity", not differences, tuple(machine if differences else machine[:1]), differences)


def _identity(file: ResultFile, models: Sequence[str]) -> dict[str, str]:
    stored = dict(file.head.run_identity)
    per_model = stored.pop("models", {})
    try:
        found = _flat(stored, "")
        if mixed := file.counts().mixed:
            found["units of another identity"] = str(mixed)
        for model in models:
            own = per_model.get(model) if isinstance(per_model, dict) else None
            facts = file.model(model)
            found |= {f"{model}.dtype": facts.dtype, f"{model}.residual": facts.residual,
                      f"{model}.tensor_parallel": str(facts.tensor_parallel), f"{model}.checkpoint": facts.identity}
            found |= _flat(own, f"{model}.") if isinstance(own, dict) else {}
    except RecursionError as error:
        raise ResultFileError("expected a run identity of a few levels, found hundreds, at /@run_identity of "
                              f"{one_line(file.head.path)}") from error
    return found


def _flat(value: dict, prefix: str, depth: int = 1) -> dict[str, str]:
    """A nested object as one of texts by dotted keys."""
    found = {}
    for key, inner in value.items():
        if isinstance(inner, dict) and depth < _DEPTH:
            found |= _flat(inner, f"{prefix}{key}.", depth + 1)
        else:
            found[f"{prefix}{key}"] = inner if isinstance(inner, str) else json.dumps(inner)
    return found


def _differences(ours: dict[str, str], theirs: dict[str, str]) -> tuple[tuple[str, str, str], ...]:
    keys = [*ours, *(key for key in theirs if key not in ours)]
    return tuple((one_line(key, 80), one_line(ours.get(key, "none"), 120), one_line(theirs.get(key, "none"), 120))
                 for key in keys if ours.get(key) != theirs.get(key))
