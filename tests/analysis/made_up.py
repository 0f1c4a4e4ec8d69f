"""Writes made-up result files in exactly the layout of docs/result-file.md, for tests and for looking at figures.

The numbers imitate steering: an effect that peaks at one layer, grows with the coefficient and saturates, with noise per
question and letter mass that falls where steering is strong. Which units are unfinished, failed or blocked is a
parameter; whatever such a unit would have filled holds the fill value. Nothing of the package is used here: the writer
and the reader know the layout independently.
"""

from __future__ import annotations

import dataclasses

import h5py
import numpy as np

UNIT = np.dtype([("state", "<u4"), ("attempt", "<u4"), ("flags", "<u4"), ("launch", "<u4"), ("crc", "<u8"),
                 ("started", "<i8"), ("finished", "<i8"), ("content", "<u8"), ("team", "<u4"), ("ranks", "<u4"),
                 ("reserved", "<u8")])
LAUNCH = np.dtype([("started", "<i8"), ("ranks", "<u4"), ("pid", "<u4"), ("host", "S64"), ("binary", "S64"),
                   ("devices", "S368")])
ABSENT, DONE, FAILED, BLOCKED = range(4)
EXTRACT, VECTORS, EVALUATE = range(3)
TEXT = h5py.string_dtype("utf-8")


@dataclasses.dataclass
class Sweep:
    """What to make up. `state`, `flags` and `message` overrule single units (see `unit_numbers`)."""

    models: dict[str, int] = dataclasses.field(default_factory=lambda: {"small": 6})  # name -> layers
    behaviors: tuple[str, ...] = ("refusal", "hedging")
    validation: tuple[str, ...] = ()  # behaviors that also have a run NAME.validation, after all others
    coefficients: tuple[float, ...] = (-2.0, -1.0, 0.0, 1.0, 2.0)
    letters: tuple[str, ...] = ("A", "B")
    questions: int = 12
    both_orders: bool = False  # questions 2i and 2i + 1 are one, with its choices the other way round
    pairs: int = 8
    block: int = 4
    hidden: int = 16
    seed: int = 7
    name: str = "made-up"
    spec: str = "name: made-up\nmodels: [small]\n"
    coefficient_unit: str = "multiplier"
    state: dict[int, int] = dataclasses.field(default_factory=dict)
    flags: dict[int, int] = dataclasses.field(default_factory=dict)
    message: dict[int, str] = dataclasses.field(default_factory=dict)
    all_state: int = DONE

    def runs(self) -> list[tuple[str, int]]:
        """(name, number of its behavior) of every run, in the order of the plan."""
        return [(name, i) for i, name in enumerate(self.behaviors)] + [
            (f"{name}.validation", self.behaviors.index(name)) for name in self.validation]

    def blocks(self, items: int) -> list[tuple[int, int]]:
        return [(first, min(self.block, items - first)) for first in range(0, items, self.block)]

    def units(self) -> list[tuple[int, int, int, int, int]]:
        """(kind, model, target, first, count) of every unit, in the order of the plan."""
        found = []
        for model in range(len(self.models)):
            for target in range(len(self.behaviors)):
                found += [(EXTRACT, model, target, *span) for span in self.blocks(self.pairs)]
            found += [(VECTORS, model, target, 0, self.pairs) for target in range(len(self.behaviors))]
            for target in range(len(self.runs())):
                found += [(EVALUATE, model, target, *span) for span in self.blocks(self.questions)]
        return found

    def unit_numbers(self, kind: int, model: int = 0, target: int = 0) -> list[int]:
        """The units of a kind for one model and behavior or run, by index."""
        return [i for i, unit in enumerate(self.units()) if unit[:3] == (kind, model, target)]

    def state_of(self, unit: int) -> int:
        return self.state.get(unit, self.all_state)


def write(path, sweep: Sweep | None = None) -> Sweep:
    """Writes the file; returns the sweep that it holds."""
    sweep = sweep or Sweep()
    rng = np.random.default_rng(sweep.seed)
    with h5py.File(path, "w", libver=("earliest", "v108")) as file:
        _write_head(file, sweep)
        for index, (model, layers) in enumerate(sweep.models.items()):
            place = file.create_group(f"models/{model}")
            place.attrs.update(index=index, path=f"checkpoints/{model}", identity="f" * 16, format="caa-llama2-chat",
                               dtype="bfloat16", residual="float32", n_layers=layers, hidden_size=sweep.hidden,
                               n_parameters=2_500 * layers**2 * 4**index, vocab_size=512, tensor_parallel=1, synthetic=0)
            place.create_group("vectors"), place.create_group("runs")
            for target, behavior in enumerate(sweep.behaviors):
                _write_vectors(place.create_group(f"vectors/{behavior}"), sweep, index, target, layers, rng)
            for target, (run, _) in enumerate(sweep.runs()):
                _write_run(place.create_group(f"runs/{run}"), sweep, index, target, layers, rng)
        _write_sched(file.create_group("sched"), sweep)
    return sweep


def _write_head(file: h5py.File, sweep: Sweep) -> None:
    file.attrs.update(format_version=2, name=sweep.name, seed=sweep.seed, tool_version="0.1.0", git_revision="0123456789ab",
                      created="2025-01-31T12:00:00Z", plan_fingerprint="00112233aabbccdd",
                      run_identity='{"backend": "cpu", "isa": {"bfloat16": "avx2"}, "gemm": "onednn 2.7"}')
    spec = file.create_group("spec")
    spec.create_dataset("yaml", data=sweep.spec, dtype=TEXT)
    spec.create_dataset("plan", data="model small\n", dtype=TEXT)
    spec["path"] = np.array([f"data/{b}.json" for b in sweep.behaviors], dtype=TEXT)
    spec["identity"] = np.array(["e" * 16 for _ in sweep.behaviors], dtype=TEXT)
    _scales(spec, {"path": ("file",), "identity": ("file",)}, {"file": len(sweep.behaviors)})


def _scales(group: h5py.Group, dims: dict[str, tuple[str, ...]], bare: dict[str, int] | None = None) -> None:
    """Attaches dimension scales; dimensions without a coordinate array get an index as one."""
    for name, length in (bare or {}).items():
        group[name] = np.arange(length, dtype="i4")
    for name in {dim for axes in dims.values() for dim in axes}:
        group[name].make_scale(name)
    for name, axes in dims.items():
        for axis, dim in enumerate(axes):
            group[name].dims[axis].attach_scale(group[dim])


def _write_vectors(group, sweep: Sweep, model: int, target: int, layers: int, rng) -> None:
    blocks = sweep.unit_numbers(EXTRACT, model, target)
    own = sweep.unit_numbers(VECTORS, model, target)
    depth = (np.arange(layers) + 1) / layers
    done = sweep.state_of(own[0]) == DONE
    drift = np.cumsum(rng.normal(size=(layers, sweep.hidden)), axis=0)  # neighbouring layers point the same way
    mean = (drift / np.linalg.norm(drift, axis=1, keepdims=True) * rng.uniform(2.5, 5) * (0.2 + depth[:, None])).astype("f4")
    norm = np.linalg.norm(mean.astype("f8"), axis=1)
    block_sums = rng.normal(size=(len(blocks), layers, sweep.hidden))
    block_sums[[sweep.state_of(unit) != DONE for unit in blocks]] = np.nan
    data = {"layer": np.arange(layers, dtype="i4"), "block_sums": block_sums, "block_unit": np.array(blocks, "i4"),
            "mean": np.where(done, mean, np.nan).astype("f4"), "scale": np.where(done, np.sqrt(norm) / norm, np.nan),
            "mean_norm": np.where(done, norm, np.nan),
            "residual_norm": np.where(done, 4 + 20 * depth**2, np.nan),
            "block_norm_sums": np.full((len(blocks), layers), np.nan), "vectors_unit": np.array(own, "i4")}
    for name in ("question", "matching_text", "other_text"):
        data[name] = np.array([f"{name} {i}" for i in range(sweep.pairs)], dtype=TEXT)
    for name, values in data.items():
        group[name] = values
    group.attrs.update(index=target, behavior=sweep.behaviors[target], method="caa", normalize="behaviors",
                       normalize_over=", ".join(sweep.behaviors))
    _scales(group, {"block_sums": ("block", "layer", "hidden"), "block_unit": ("block",), "mean": ("layer", "hidden"),
                    "scale": ("layer",), "mean_norm": ("layer",), "residual_norm": ("layer",),
                    "block_norm_sums": ("block", "layer"), "vectors_unit": ("one",), "question": ("pair",),
                    "matching_text": ("pair",), "other_text": ("pair",)},
            {"block": len(blocks), "hidden": sweep.hidden, "pair": sweep.pairs, "one": 1})


def steered_logprobs(sweep: Sweep, model: int, target: int, layers: int, matching: np.ndarray, rng):
    """letter_logprob [question, layer, coefficient, letter] and baseline_logprob [question, letter], plausible ones."""
    shape = (sweep.questions, layers, len(sweep.coefficients))
    peak = 0.3 + 0.09 * (target % 5)
    depth = (np.arange(layers) + 1) / layers
    strength = 2.2 * 0.75**model * np.exp(-(((depth - peak) / 0.14) ** 2))[None, :, None]
    c = np.array(sweep.coefficients)[None, None, :]
    lean = rng.normal(0.4, 1.2, size=(sweep.questions, 1, 1))
    push = strength * 2 * np.tanh(c / 1.5) * rng.uniform(0.5, 1.3, size=(sweep.questions, 1, 1))
    noise = rng.normal(0, 0.15, size=shape) * (c != 0)
    p_match = 1 / (1 + np.exp(-(lean + push + noise)))
    mass = 0.97 - 0.5 * np.minimum(1, np.abs(strength * c) / 6)
    others = len(sweep.letters) - 2
    p = np.full(shape + (len(sweep.letters),), 0.02)
    rows = np.arange(sweep.questions)
    first, second = sweep.letters.index("A"), sweep.letters.index("B")
    is_a = (matching == first)[:, None, None]
    share = mass - 0.02 * others
    p[..., first], p[..., second] = (np.where(is_a, p_match, 1 - p_match) * share, np.where(is_a, 1 - p_match, p_match) * share)
    logprob = np.log(p)
    zero = sweep.coefficients.index(0.0) if 0.0 in sweep.coefficients else None
    plain = np.log(np.full((sweep.questions, len(sweep.letters)), 0.02))
    lean_p = 1 / (1 + np.exp(-lean[:, 0, 0]))
    plain[rows, first] = np.log(np.where(matching == first, lean_p, 1 - lean_p) * 0.95)
    plain[rows, second] = np.log(np.where(matching == first, 1 - lean_p, lean_p) * 0.95)
    if zero is not None:
        logprob[:, :, zero, :] = plain[:, None, :]
    return logprob, plain


def question_text(sweep: Sweep, run: str, i: int) -> str:
    if not sweep.both_orders:
        return f"{run}: question {i}?"
    first, second = ("this", "that") if i % 2 == 0 else ("that", "this")
    return f"{run}: question {i // 2}?\n\nChoices:\n (A) {first}\n (B) {second}"


def _write_run(group, sweep: Sweep, model: int, target: int, layers: int, rng) -> None:
    units = sweep.unit_numbers(EVALUATE, model, target)
    unit_of_row = np.concatenate([np.full(sweep.units()[unit][4], unit) for unit in units] or [np.zeros(0)]).astype("i4")
    matching = (rng.permutation(sweep.questions) % len(sweep.letters)).astype("i4")
    if sweep.both_orders:
        matching = (np.arange(sweep.questions) % 2).astype("i4")
    other = np.where(matching == 0, 1, 0).astype("i4")
    logprob, plain = steered_logprobs(sweep, model, sweep.runs()[target][1], layers, matching, rng)
    run, behavior = sweep.runs()[target]
    missing = np.array([sweep.state_of(unit) != DONE for unit in unit_of_row], dtype=bool)
    blocked = np.array([bool(sweep.flags.get(int(unit), 0) & 2) for unit in unit_of_row], dtype=bool)
    top = logprob.argmax(axis=-1).astype("i4") + 300
    data = {"letter_logprob": logprob, "baseline_logprob": plain, "top_logprob": logprob.max(axis=-1),
            "baseline_top_logprob": plain.max(axis=-1), "top_token": top,
            "baseline_top_token": plain.argmax(axis=-1).astype("i4") + 300}
    for name, values in data.items():
        void = missing | blocked if not name.startswith("baseline") else missing
        values[void] = np.nan if values.dtype.kind == "f" else -1
    data.update(question=np.arange(sweep.questions, dtype="i4"), layer=np.arange(layers, dtype="i4"),
                coefficient=np.array(sweep.coefficients), letter=np.array(sweep.letters, dtype=TEXT),
                matching_letter=matching, other_letter=other, question_unit=unit_of_row,
                text=np.array([question_text(sweep, run, i) for i in range(sweep.questions)], dtype=TEXT))
    for name, values in data.items():
        group[name] = values
    group.attrs.update(index=target, behavior=run, vectors=sweep.behaviors[behavior],
                       positions="instruction_end", coefficient_unit=sweep.coefficient_unit)
    cell = ("question", "layer", "coefficient")
    _scales(group, {"letter_logprob": cell + ("letter",), "baseline_logprob": ("question", "letter"), "top_token": cell,
                    "top_logprob": cell, "baseline_top_token": ("question",), "baseline_top_logprob": ("question",),
                    "matching_letter": ("question",), "other_letter": ("question",), "question_unit": ("question",),
                    "text": ("question",)})


def _write_sched(group: h5py.Group, sweep: Sweep) -> None:
    units = sweep.units()
    records = np.zeros(len(units), UNIT)
    message = np.zeros((len(units), 240), "u1")
    for i in range(len(units)):
        state = sweep.state_of(i)
        started = 1_738_324_800_000_000_000 + i * 10**9 if state != ABSENT else 0
        finished = started + 9 * 10**8 * (state != ABSENT)
        records[i] = (state, int(state != ABSENT), sweep.flags.get(i, 0), 0, i, started, finished, i, 1, 1, 0)
        text = sweep.message.get(i, "").encode()[:240]
        message[i, : len(text)] = np.frombuffer(text, "u1")
    group["units"], group["message"] = records, message
    for name, column in zip(("kind", "model", "target", "first", "count"), np.array(units, "i4").reshape(-1, 5).T):
        group[name] = column.astype("u1" if name == "kind" else "i4")
    launches = np.zeros(4, LAUNCH)
    launches[0] = (1_738_324_800_000_000_000, 3, 4711, b"node01", b"steergrid 0.1.0", b"")
    group["launches"] = launches
    _scales(group, {"units": ("unit",), "message": ("unit", "character"), "launches": ("launch",),
                    **{name: ("unit",) for name in ("kind", "model", "target", "first", "count")}},
            {"unit": len(units), "character": 240, "launch": 4})


def replaced(path, name, values):
    """Puts another array in the place of one; the path."""
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = values
    return path


def changed(path, name, change):
    """Replaces an array by what `change` makes of it."""
    with h5py.File(path, "r+") as file:
        values = file[name][()]
        file[name][...] = change(values)
    return path


def one_bit(place):
    """A change of the lowest bit of one element."""
    def change(values):
        values.view(f"u{values.dtype.itemsize}")[place] ^= 1
        return values
    return change


def published_name(layer, multiplier, behavior="refusal", kind="ab", more="", size="7b"):
    """What the CAA authors call the file of a cell."""
    return (f"results_layer={layer}_multiplier={multiplier}_behavior={behavior}_type={kind}{more}"
            f"_use_base_model=False_model_size={size}.json")
