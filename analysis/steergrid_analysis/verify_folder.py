"""Holds a result file against a folder of results that the CAA authors published.

A behavior is held against the run of its name, in one model. Whatever only one of the two has is counted, files that are
not comparable by kind. Nothing of either side is trusted. Called by cli.py.
"""

from __future__ import annotations

from .compare_published import compare_behavior
from .h5 import ResultFileError, one_line
from .pairing import Left, NotCompared, leftovers, pair
from .published import open_folder
from .results import open_results
from .verification import Fact, Verification

TOLERANCE = 1e-4  # two float32 runs of the authors' own differ by up to 1.6e-5 in a probability


def verify_folder(path: str, folder: str, tolerance: float | None = None, model: str | None = None,
                  run: str | None = None, size: str | None = None) -> Verification:
    """Holds a result file against a folder. `tolerance`: how far probabilities may differ; None: what the authors' own
    runs do. `model`, `run`: what to hold against it, where the file has several models or runs of other names; `size`:
    which model's results, where the folder has several.

    Throws ResultFileError."""
    tolerance = TOLERANCE if tolerance is None else tolerance
    found = Verification(path, folder, tolerance)
    published = open_folder(folder, size)
    with open_results(path) as results:
        model = _chosen_model(results.models(), model)
        dtype = results.model(model).dtype
        comparable = sum(map(len, published.cells.values()))
        total = comparable + sum(published.others.values())
        size = one_line(published.model_size, 40)
        found.facts = [Fact("model", None, (f"{model}, {one_line(dtype, 40)}",
                                            f"published: {size}, {comparable} of {total} files are comparable"))]
        runs = results.runs_of(model)
        chosen = _chosen_runs(runs, list(published.cells), run)
        for name, behavior in chosen.items():
            rows = results.run_rows(model, name)
            agreement, missing = compare_behavior(model, name, rows, published.cells[behavior])
            found.runs.append(agreement)
            found.not_compared += missing
    rest = pair([name for name in runs if name not in chosen],
                [behavior for behavior in published.cells if behavior not in chosen.values()])
    found.not_compared += leftovers(model, "runs", rest)
    found.not_compared += [NotCompared("", reason, Left(), Left(count)) for reason, count in published.others.items()]
    return found


def _chosen_model(names: list[str], model: str | None) -> str:
    if model is None and len(names) != 1:
        raise ResultFileError(f"expected one of the models {', '.join(names) or '(there are none)'}, found no choice, "
                              "at --model")
    if model is not None and model not in names:
        raise ResultFileError(f"expected a model of the results ({', '.join(names)}), found {one_line(model, 60)!r}, "
                              "at --model")
    return model or names[0]


def _chosen_runs(runs: list[str], behaviors: list[str], run: str | None) -> dict[str, str]:
    """Which behavior each run is held against: that of its name, or the only one where the run was chosen."""
    if run is None:
        return {name: name for name in runs if name in behaviors}
    if run not in runs:
        raise ResultFileError(f"expected a run of the model ({', '.join(runs)}), found {one_line(run, 60)!r}, at --run")
    if run not in behaviors and len(behaviors) != 1:
        raise ResultFileError(f"expected published results of the behavior {run} or of one behavior only, found "
                              f"{', '.join(behaviors) or 'none'}, at --run")
    return {run: run if run in behaviors else behaviors[0]}
