"""Holds a result file against a folder of results that the CAA authors published.

A behavior is held against the run of its name and every other run that adds its vector, in one model. Whatever only one
of the two has is counted, files that are not comparable by kind. Nothing of either side is trusted. Called by cli.py.
"""

from __future__ import annotations

from ..h5 import ResultFileError, one_line
from ..results import open_results
from ..rows import RunRows
from .behaviors import compare_behavior
from .pairing import Left, NotCompared, left
from .published import open_folder
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
        chosen = _chosen_runs({name: results.run_rows(model, name) for name in runs}, list(published.cells), run)
        for behavior, rows in chosen.items():
            agreements, missing = compare_behavior(model, behavior, rows, published.cells[behavior])
            found.runs += agreements
            found.not_compared += missing
    compared = [name for rows in chosen.values() for name in rows]
    rest = [left([name for name in names if name not in among])
            for names, among in ((runs, compared), (published.cells, chosen))]
    found.not_compared += [NotCompared(model, "runs", *rest)] * any(side.count for side in rest)
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


def _chosen_runs(runs: dict[str, RunRows], behaviors: list[str], run: str | None) -> dict[str, dict[str, RunRows]]:
    """The runs that each behavior is held against: those of its name, else of its recorded behavior, else with its vector;
    a run that was chosen belongs to the only behavior in any case."""
    if run is not None and run not in runs:
        raise ResultFileError(f"expected a run of the model ({', '.join(runs)}), found {one_line(run, 60)!r}, at --run")
    found: dict[str, dict[str, RunRows]] = {}
    for name, rows in runs.items() if run is None else [(run, runs[run])]:
        called = [name, rows.attributes["behavior"], rows.attributes["vectors"]]
        called += behaviors if run is not None and len(behaviors) == 1 else []
        behavior = next((one for one in called if one in behaviors), None)
        if behavior is not None:
            found.setdefault(behavior, {})[name] = rows
        elif run is not None:
            raise ResultFileError(f"expected published results of the behavior of {run} or of one behavior only, found "
                                  f"{', '.join(behaviors) or 'none'}, at --run")
    return found
