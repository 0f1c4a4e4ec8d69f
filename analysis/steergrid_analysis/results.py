"""The result file as labelled arrays, read-only.

`ResultFile` knows the layout that docs/result-file.md fixes: it reads /sched/units first, once, and masks by it whatever
it returns afterwards, so a file that a run is still writing may be opened at any moment. Rows whose unit is not done
are NaN (-1 for token ids). It computes no metric. Called by summary.py, by notebooks and by tests.
Always holds: models, vectors and runs are listed in the order of the plan, which is the order of their units.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re

import h5py
import numpy as np
import xarray as xr

from . import h5, sched
from .h5 import ResultFileError
from .rows import RUN_ARRAYS, RunRows, VectorRows, open_run, open_vectors
from .sched import DONE, FLAG_BASELINE_ONLY, Failure, UnitCounts

FORMAT_VERSION = 2


@dataclasses.dataclass(frozen=True)
class Head:
    """What ran: the facts of the root group, /spec and /sched/launches. All texts are untrusted."""

    path: str
    name: str
    seed: int
    format_version: int
    tool_version: str
    git_revision: str
    created: str
    plan_fingerprint: str
    run_identity: dict
    spec: str
    spec_files: list[tuple[str, str]]
    launches: list[dict[str, str]]


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """The attributes of /models/M."""

    name: str
    path: str
    identity: str
    format: str
    dtype: str
    residual: str
    n_layers: int
    hidden_size: int
    n_parameters: int
    vocab_size: int
    tensor_parallel: int
    synthetic: bool  # the weights were never trained: no answer means anything


def open_results(path: str | os.PathLike[str]) -> ResultFile:
    """Opens a result file. Throws ResultFileError with one line: expected, found, where."""
    return ResultFile(path)


class ResultFile:
    """An open result file; a context manager. Every method may throw ResultFileError."""

    def __init__(self, path: str | os.PathLike[str]):
        self._file = h5.open_file(path)
        try:
            self._check_format(path)
            self.units = sched.read_units(h5.group(self._file, "sched"))
            self._plan = self._read_plan()
        except Exception:
            self._file.close()
            raise

    def __enter__(self) -> ResultFile:
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def _check_format(self, path) -> None:
        with h5.reading(self._file):
            ours = "format_version" in self._file.attrs and "sched" in self._file and "models" in self._file
        if not ours:
            raise ResultFileError("expected a SteerGrid result file, found an HDF5 file without "
                                  f"/@format_version, /sched or /models, at {h5.one_line(str(path))}")
        version = h5.attribute_int(self._file, "format_version")
        if version != FORMAT_VERSION:
            raise ResultFileError(f"expected format version {FORMAT_VERSION}, found {version}, at "
                                  f"{h5.where(self._file, '@format_version')}")

    def _read_plan(self) -> dict[str, dict[str, dict[str, np.ndarray]]]:
        """model -> 'vectors' | 'runs' -> name -> units that fill it, everything in the order of the units."""
        plan = {}
        models = h5.group(self._file, "models")
        for model in h5.child_names(models):
            place = h5.group(models, model)
            plan[model] = {kind: self._members(place, kind) for kind in ("vectors", "runs")}
        return dict(sorted(plan.items(), key=lambda item: _first_unit(item[1]["vectors"], item[1]["runs"])))

    def _members(self, place: h5py.Group, kind: str) -> dict[str, np.ndarray]:
        if not h5.holds(place, kind):
            return {}
        parent = h5.group(place, kind)
        found = {}
        for name in h5.child_names(parent):
            group = h5.group(parent, name)
            fields = ("question_unit",) if kind == "runs" else ("block_unit", "vectors_unit")
            found[name] = np.concatenate([self._unit_index(group, field) for field in fields])
        return dict(sorted(found.items(), key=lambda item: _first_unit({item[0]: item[1]})))

    def _unit_index(self, group: h5py.Group, name: str) -> np.ndarray:
        index = h5.array(group, name, "iu", (None,)).astype(np.int64)
        total = self.units.sizes["unit"]
        if index.size and (index.min() < 0 or index.max() >= total):
            raise ResultFileError(f"expected unit numbers from 0 to {total - 1}, found {index.min()} to {index.max()}, "
                                  f"at {h5.where(group, name)}")
        return index

    @property
    def head(self) -> Head:
        root, unknown = self._file, "not recorded"
        spec = h5.group(root, "spec")
        paths = h5.strings(spec, "path", None)
        return Head(
            path=root.filename, name=h5.attribute_text(root, "name"), seed=h5.attribute_int(root, "seed"),
            format_version=FORMAT_VERSION, tool_version=h5.attribute_text(root, "tool_version", unknown),
            git_revision=h5.attribute_text(root, "git_revision", unknown),
            created=h5.attribute_text(root, "created", unknown),
            plan_fingerprint=h5.attribute_text(root, "plan_fingerprint", unknown),
            run_identity=_json_object(h5.attribute_text(root, "run_identity", "{}")),
            spec=h5.scalar_string(spec, "yaml"),
            spec_files=list(zip(paths, h5.strings(spec, "identity", len(paths)))),
            launches=sched.read_launches(h5.group(root, "sched")))

    def plan_text(self) -> str:
        """What decides the results, one fact a line. Untrusted."""
        return h5.scalar_string(h5.group(self._file, "spec"), "plan")

    def counts(self) -> UnitCounts:
        return sched.counts(self.units)

    def failures(self) -> list[Failure]:
        """Failed and blocked units with their sentences, in the order of the units."""
        owner = {int(unit): (model, name) for model, kinds in self._plan.items() for members in kinds.values()
                 for name, units in members.items() for unit in units}
        return sched.failures(self.units, owner)

    def models(self) -> list[str]:
        return list(self._plan)

    def vectors_of(self, model: str) -> list[str]:
        return self._names(model, "vectors")

    def runs_of(self, model: str) -> list[str]:
        return self._names(model, "runs")

    def model(self, model: str) -> ModelInfo:
        place, unknown = self._place(model), "not recorded"
        texts = {name: h5.attribute_text(place, name, unknown) for name in ("path", "identity", "format", "dtype", "residual")}
        numbers = {name: h5.attribute_int(place, name)
                   for name in ("n_layers", "hidden_size", "n_parameters", "vocab_size", "tensor_parallel")}
        return ModelInfo(name=model, **texts, **numbers, synthetic=h5.attribute_int(place, "synthetic") != 0)

    def vectors(self, model: str, name: str) -> xr.Dataset:
        """mean [layer, hidden], scale, mean_norm, residual_norm [layer]; NaN until the vectors unit is done.

        Attributes: behavior, method, normalize, done (bool), blocks_done, blocks_total."""
        group = h5.group(h5.group(self._place(model), "vectors"), name)
        layer = h5.array(group, "layer", "iu", (h5.attribute_int(self._place(model), "n_layers"),))
        size = layer.size
        blocks = self._done(group, "block_unit")
        done = bool(self._done(group, "vectors_unit").all())
        data = {field: (("layer",), h5.array(group, field, "f", (size,)).astype(np.float64))
                for field in ("scale", "mean_norm", "residual_norm")}
        data["mean"] = (("layer", "hidden"), h5.array(group, "mean", "f", (size, None)))
        dataset = xr.Dataset(data, coords={"layer": layer}, attrs=self._texts(group, "behavior", "method", "normalize"))
        dataset.attrs.update(done=done, blocks_done=int(blocks.sum()), blocks_total=int(blocks.size))
        return dataset if done else dataset.where(False)

    def run(self, model: str, name: str) -> xr.Dataset:
        """One evaluation, as docs/result-file.md names it, with `done` [question]; rows not done are NaN or -1.

        Attributes: behavior, vectors, positions, coefficient_unit."""
        rows = self.run_rows(model, name)
        read = {field: rows.letters_at(field) if field.endswith("_letter") else h5.whole(rows.array(field))
                for field in RUN_ARRAYS}
        data = {field: (RUN_ARRAYS[field][1], values) for field, values in read.items()}
        data["text"] = (("question",), np.array(rows.text, dtype=object))
        return _masked(xr.Dataset(data, rows.coords, attrs=rows.attributes), rows.done)

    def run_rows(self, model: str, name: str) -> RunRows:
        """The same evaluation, its arrays left on disk."""
        group = h5.group(h5.group(self._place(model), "runs"), name)
        index = self._unit_index(group, "question_unit")
        done = self.units["state"].values[index] == DONE
        steered = done & (self.units["flags"].values[index] & FLAG_BASELINE_ONLY == 0)
        return open_run(group, done, steered, self._texts(group, "behavior", "vectors", "positions", "coefficient_unit"))

    def vector_rows(self, model: str, name: str) -> VectorRows:
        """A vector source with its blocks and activations, its arrays left on disk."""
        place = self._place(model)
        group = h5.group(h5.group(place, "vectors"), name)
        units = self._unit_index(group, "block_unit")
        blocks = [(int(self.units["first"].values[unit]), int(self.units["count"].values[unit])) for unit in units]
        stored = h5.group(place, "activations") if h5.holds(place, "activations") else None
        activations = h5.group(stored, name) if stored is not None and h5.holds(stored, name) else None
        return open_vectors(group, h5.attribute_int(place, "n_layers"), bool(self._done(group, "vectors_unit").all()),
                            blocks, self._done(group, "block_unit"), activations)

    def coefficients(self, model: str, name: str) -> np.ndarray:
        """The coefficients of a run, [coefficient] f64, in the order of the user's list."""
        return h5.array(h5.group(h5.group(self._place(model), "runs"), name), "coefficient", "f", (None,)).astype(np.float64)

    def _names(self, model: str, kind: str) -> list[str]:
        self._place(model)
        return list(self._plan[model][kind])

    def pair_texts(self, model: str, name: str) -> frozenset[str]:
        """The questions of the pairs that a vector source is made from; empty where the file does not hold them."""
        group = h5.group(h5.group(self._place(model), "vectors"), name)
        return frozenset(h5.strings(group, "question", None)) if h5.holds(group, "question") else frozenset()

    def pair_letters(self, model: str, name: str) -> list[str]:
        """The matching letters of those pairs of a vector source that name one as '(A)'; empty where the file holds none."""
        group = h5.group(h5.group(self._place(model), "vectors"), name)
        answers = h5.strings(group, "matching_text", None) if h5.holds(group, "matching_text") else []
        return [found[1] for answer in answers if (found := re.match(r"\s*\(([A-Z])\)", answer))]

    def _place(self, model: str) -> h5py.Group:
        return h5.group(h5.group(self._file, "models"), model)

    def _done(self, group: h5py.Group, field: str) -> np.ndarray:
        return self.units["state"].values[self._unit_index(group, field)] == DONE

    def _texts(self, group: h5py.Group, *names: str) -> dict[str, str]:
        return {name: h5.attribute_text(group, name, group.name.rsplit("/", 1)[-1] if name == "behavior" else "not recorded")
                for name in names}


def _masked(dataset: xr.Dataset, done: np.ndarray) -> xr.Dataset:
    """Rows that no finished unit fills become NaN (floats) or -1 (token ids); facts of the plan stay."""
    dataset["done"] = (("question",), done)
    for name in ("letter_logprob", "baseline_logprob", "top_logprob", "baseline_top_logprob"):
        dataset[name].values[~done] = np.nan
    for name in ("top_token", "baseline_top_token"):
        dataset[name].values[~done] = -1
    return dataset


def _first_unit(*members: dict[str, np.ndarray]) -> tuple[int, str]:
    """Sort key: the first unit of anything in `members`, then the name."""
    units = [int(units.min()) for group in members for units in group.values() if units.size]
    return (min(units, default=2**62), min((name for group in members for name in group), default=""))


def _json_object(text: str) -> dict:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {"text": text}
    return found if isinstance(found, dict) else {"text": text}
