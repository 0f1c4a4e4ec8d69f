"""Two result files held against each other: what is compared with what, what is named, and when it passes."""

import h5py
import numpy as np
import pytest

from made_up import ABSENT, EVALUATE, EXTRACT, Sweep, changed, one_bit
from steergrid_analysis import cli, metrics
from steergrid_analysis.rows import BLOCK_ARRAYS, RUN_ARRAYS, VECTOR_ARRAYS
from steergrid_analysis.verify import pairing

RUN, VECTOR = "models/small/runs/refusal", "models/small/vectors/refusal"


def reordered(path, group, order, arrays, axis):
    """Gives the axis of some arrays another order, or fewer places."""
    with h5py.File(path, "r+") as file:
        for name in arrays:
            values = np.take(file[group][name][()], order, axis=axis)
            kind = file[group][name].dtype
            del file[group][name]
            file[group].create_dataset(name, data=values, dtype=kind)


def run_named(found, name="refusal"):
    return next(run for run in found["runs"] if run["name"] == name)


def test_one_sweep_written_twice_has_the_same_bits(twins, capsys):
    ours, theirs = twins()
    assert cli.main(["verify", str(ours), "--against", str(theirs)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "plan: the same (00112233aabbccdd)" in lines
    assert "identity: the same (cpu, avx2, onednn 2.7)" in lines
    assert "vectors small/hedging: the same bits (6 layers, 2 blocks)" in lines
    assert "run small/refusal: the same bits (12 questions, 6 layers, 5 coefficients)" in lines
    assert lines[-1] == "verdict: the same bits"


def test_one_bit_of_one_probability_is_named_with_its_place(twins, verified, capsys):
    ours, theirs = twins()
    changed(theirs, f"{RUN}/letter_logprob", one_bit((7, 4, 3, 1)))
    code, found = verified(ours, theirs)
    run = run_named(found)
    assert code == 1 and found["verdict"] == "beyond"
    assert (run["different"], run["arrays"]) == (1, ["letter_logprob"])
    place = {"question": "refusal: question 7?", "layer": 4, "coefficient": 1.0, "letter": "B"}
    assert {key: run["probability"][key] for key in place} == place and run["probability"]["value"] < 1e-15
    assert run_named(found, "hedging")["same_bits"] and all(vector["same_bits"] for vector in found["vectors"])
    assert cli.main(["verify", str(ours), "--against", str(theirs)]) == 1
    assert "(B, layer 4, coefficient 1, question 'refusal: question 7?')" in capsys.readouterr().out


@pytest.mark.parametrize("group, array", [
    *((RUN, name) for name in RUN_ARRAYS if not name.endswith("_letter")),
    *((VECTOR, name) for name in [*VECTOR_ARRAYS, "block_sums"])])
def test_one_bit_of_any_array_is_seen_and_the_array_is_named(twins, verified, group, array):
    ours, theirs = twins()
    changed(theirs, f"{group}/{array}", lambda values: one_bit((-1,) * values.ndim)(values))
    code, found = verified(ours, theirs)
    differ = [one for one in [*found["runs"], *found["vectors"]] if not one["same_bits"]]
    assert code == 1 and [(one["name"], one["arrays"], one["different"]) for one in differ] == [("refusal", [array], 1)]


def test_every_array_that_units_fill_is_compared():
    compared = {*RUN_ARRAYS, *VECTOR_ARRAYS, *BLOCK_ARRAYS}
    assert compared == {"letter_logprob", "baseline_logprob", "top_logprob", "baseline_top_logprob", "top_token",
                        "baseline_top_token", "matching_letter", "other_letter", "mean", "scale", "mean_norm",
                        "residual_norm", "block_sums", "block_norm_sums"}


def test_nan_in_both_is_the_same_and_nan_in_one_is_beyond_any_tolerance(twins, verified, capsys):
    def undefined(values):
        values[3, 2, 1] = np.nan
        return values

    ours, theirs = twins()
    changed(theirs, f"{RUN}/letter_logprob", undefined)
    code, found = verified(ours, theirs, "--tolerance", "1")
    place = run_named(found)["probability"]
    assert code == 1 and place["value"] is None and (place["layer"], place["coefficient"]) == (2, -1.0)
    assert cli.main(["verify", str(ours), "--against", str(theirs)]) == 1
    text = capsys.readouterr().out
    assert "; not a finite value of a probability (A, layer 2, coefficient -1, " in text and "a probability is not finite" in text
    changed(ours, f"{RUN}/letter_logprob", undefined)
    assert verified(ours, theirs)[0] == 0


def test_the_tolerance_is_the_largest_difference_of_a_probability(twins, verified):
    def shifted(values):
        values[5, 1, 4, 0] = np.log(np.exp(values[5, 1, 4, 0]) + 0.004)
        return values

    ours, theirs = twins()
    before = changed(ours, f"{RUN}/letter_logprob", lambda values: values)
    changed(theirs, f"{RUN}/letter_logprob", shifted)
    code, found = verified(before, theirs, "--tolerance", "0.005")
    assert code == 0 and found["verdict"] == "within"
    assert run_named(found)["probability"]["value"] == pytest.approx(0.004)
    assert verified(ours, theirs, "--tolerance", "0.003")[0] == 1
    assert verified(ours, theirs)[0] == 1


def test_the_likeliest_token_s_probability_counts_too_but_near_ties_may_turn(twins, verified):
    ours, theirs = twins()
    changed(theirs, f"{RUN}/top_token", one_bit((2, 3, 4)))
    code, found = verified(ours, theirs)
    assert code == 1 and run_named(found)["likeliest_tokens"] == 1
    assert verified(ours, theirs, "--tolerance", "0")[0] == 0
    changed(theirs, f"{RUN}/top_logprob", lambda values: values - 0.1)
    code, found = verified(ours, theirs, "--tolerance", "0.01")
    assert code == 1 and run_named(found)["probability"] is None and run_named(found)["likeliest_probability"]["value"] > 0.01


def test_a_mean_score_is_over_the_questions_that_both_measured(twins, verified):
    def change(values):
        values[0, 3, 4] = np.nan
        values[1, 3, 4, 0] += 0.5
        return values

    ours, theirs = twins()
    changed(theirs, f"{RUN}/letter_logprob", change)
    with h5py.File(ours) as a, h5py.File(theirs) as b:
        scores = [metrics.scores(file[RUN]["letter_logprob"][1:, 3, 4], file[RUN]["matching_letter"][1:], ("A", "B")) for file in (a, b)]
    expected = abs(scores[0].mean() - scores[1].mean())
    assert run_named(verified(ours, theirs)[1])["score"] == {"value": pytest.approx(expected), "layer": 3, "coefficient": 2.0}


def test_the_mean_score_of_a_cell_is_compared_too(twins, verified):
    ours, theirs = twins()
    changed(theirs, f"{RUN}/letter_logprob", lambda values: values + np.where(np.arange(5) == 1, [[0.2], [0.0]], 0).T)
    with h5py.File(ours) as a, h5py.File(theirs) as b:
        scores = [metrics.mean(metrics.scores(file[RUN]["letter_logprob"][()], file[RUN]["matching_letter"][()], ("A", "B")))
                  for file in (a, b)]
    expected = np.abs(scores[0] - scores[1])
    score = run_named(verified(ours, theirs)[1])["score"]
    assert score["value"] == pytest.approx(expected.max()) and score["coefficient"] == -1.0
    assert score["layer"] == int(expected.max(axis=1).argmax())


def test_questions_layers_and_coefficients_belong_together_by_label(twins, verified):
    ours, theirs = twins()
    questions = [*RUN_ARRAYS, "text", "question_unit"]
    reordered(theirs, RUN, np.roll(np.arange(12), 5), questions, 0)
    reordered(theirs, RUN, [5, 0, 3], [name for name, (_, dims) in RUN_ARRAYS.items() if "layer" in dims], 1)
    reordered(theirs, RUN, [5, 0, 3], ["layer"], 0)
    reordered(theirs, RUN, [4, 0, 2], [name for name, (_, dims) in RUN_ARRAYS.items() if "layer" in dims], 2)
    reordered(theirs, RUN, [4, 0, 2], ["coefficient"], 0)
    code, found = verified(ours, theirs)
    assert code == 0 and run_named(found)["compared"] == {"questions": 12, "layers": 3, "coefficients": 3}
    left = {one["what"]: (one["results"], one["other"]) for one in found["not_compared"]}
    assert left == {"layers": (3, 0), "coefficients": (2, 0)}


def test_a_question_that_stands_twice_belongs_to_its_own_occurrence(twins, verified):
    ours, theirs = twins()
    for path in (ours, theirs):
        changed(path, f"{RUN}/text", lambda texts: np.where(np.arange(12) % 2 == 0, b"the same?", texts))
    assert verified(ours, theirs)[0] == 0
    reordered(theirs, RUN, [2, 1, 0, *range(3, 12)], [*RUN_ARRAYS, "text", "question_unit"], 0)
    code, found = verified(ours, theirs)
    assert code == 1 and run_named(found)["probability"]["question"] == "the same?"


def test_rows_that_are_not_done_in_both_are_counted_and_not_compared(twins, verified):
    sweep = Sweep()
    unit = sweep.unit_numbers(EVALUATE, 0, 0)[1]
    ours, theirs = twins(sweep, Sweep(state={unit: ABSENT}))
    changed(theirs, f"{RUN}/letter_logprob", lambda values: np.where(np.isnan(values), -1.0, values))
    code, found = verified(ours, theirs)
    assert code == 0 and run_named(found)["compared"]["questions"] == 8
    assert found["not_compared"] == [{"where": "small/refusal", "what": "questions", "why": "not done in", "results": 0, "other": 4}]


def test_cells_that_could_not_be_steered_leave_the_unsteered_pass_to_compare(twins, verified):
    sweep = Sweep()
    unit = sweep.unit_numbers(EVALUATE, 0, 0)[0]
    ours, theirs = twins(sweep, Sweep(flags={unit: 2}))
    code, found = verified(ours, theirs)
    assert code == 0 and [one["what"] for one in found["not_compared"]] == ["questions with steered cells"]
    changed(theirs, f"{RUN}/baseline_logprob", one_bit((0, 0)))
    code, found = verified(ours, theirs)
    assert code == 1 and run_named(found)["probability"]["layer"] is None


def test_what_only_one_file_has_is_counted_by_name(twins, verified, capsys):
    behaviors = ("refusal", "hedging", "envy")
    ours, theirs = twins(Sweep(behaviors=behaviors), Sweep(models={"small": 6, "big": 4}))
    with h5py.File(theirs, "r+") as file, h5py.File(ours) as other:
        for place in (RUN, VECTOR):
            for name in file[place]:
                if file[place][name].shape == other[place][name].shape and not name.endswith("_unit"):
                    file[place][name][...] = other[place][name][()]
    code, found = verified(ours, theirs)
    left = {(one["where"], one["what"]): (one["results"], one["other"]) for one in found["not_compared"]}
    assert left == {("", "models"): (0, 1), ("small", "vector sources"): (1, 0), ("small", "runs"): (1, 0)}
    assert run_named(found)["same_bits"] and code == 1  # hedging has other numbers
    cli.main(["verify", str(ours), "--against", str(theirs)])
    assert "  small: runs: 1 only in the results (envy)" in capsys.readouterr().out


def test_coefficients_of_another_unit_are_other_coefficients(twins, verified):
    ours, theirs = twins(Sweep(), Sweep(coefficient_unit="residual_norm"))
    code, found = verified(ours, theirs)
    assert code == 0 and run_named(found)["compared"] == {"questions": 12, "layers": 6, "coefficients": 0}
    assert ("coefficients", 5, 5) in [(one["what"], one["results"], one["other"]) for one in found["not_compared"]]


def test_where_nothing_is_in_both_nothing_passes(twins, verified, capsys):
    ours, theirs = twins(Sweep(models={"small": 6}), Sweep(models={"other": 6}))
    code, found = verified(ours, theirs)
    assert code == 1 and found["verdict"] == "nothing"
    cli.main(["verify", str(ours), "--against", str(ours.parent / "theirs.h5")])
    assert capsys.readouterr().out.splitlines()[-1] == "verdict: nothing could be compared"


def test_where_nothing_is_done_in_both_nothing_passes(twins, verified):
    ours, theirs = twins(Sweep(), Sweep(all_state=ABSENT))
    code, found = verified(ours, theirs)
    assert code == 1 and found["verdict"] == "nothing" and len(found["not_compared"]) == 6


def test_what_differs_between_plans_and_identities_is_named(twins, verified, capsys):
    ours, theirs = twins(Sweep(models={"small": 6, "big": 4}), Sweep())
    with h5py.File(theirs, "r+") as file:
        file.attrs["plan_fingerprint"] = "ffff"
        file.attrs["run_identity"] = '{"backend": "cuda", "isa": {"bfloat16": "avx512"}, "gemm": "onednn 2.7", "models": {"small": {"x": 1}}}'
        file["models/small"].attrs.update(identity="e" * 16, tensor_parallel=2, dtype="float32")
        del file["spec/plan"]
        file["spec/plan"] = "model small\nseed: 7\n"
    found = verified(ours, theirs)[1]
    assert found["plan"] == {"same": False, "found": ["00112233aabbccdd", "ffff"],
                             "differences": [{"what": "seed", "results": "none", "other": "7"}]}
    different = {one["what"]: (one["results"], one["other"]) for one in found["identity"]["differences"]}
    assert different == {"backend": ("cpu", "cuda"), "isa.bfloat16": ("avx2", "avx512"), "small.dtype": ("bfloat16", "float32"),
                         "small.tensor_parallel": ("1", "2"), "small.checkpoint": ("f" * 16, "e" * 16), "small.x": ("none", "1")}
    cli.main(["verify", str(ours), "--against", str(theirs)])
    text = capsys.readouterr().out
    assert "identity: not the same (cpu, avx2, onednn 2.7; other cuda, avx512, onednn 2.7)\n  backend: cpu; other cuda\n" in text


def test_what_differs_is_said_and_nothing_else(twins, capsys):
    def said(ours, theirs):
        cli.main(["verify", str(ours), "--against", str(theirs)])
        lines = capsys.readouterr().out.splitlines()
        return next(line for line in lines if line.startswith("run small/refusal")).partition("); ")[2], lines[-1]

    ours, theirs = twins()
    changed(theirs, f"{RUN}/top_token", one_bit((2, 3, 4)))
    assert said(ours, theirs) == ("the mean scores are the same; another likeliest token in 1 place",
                                  "verdict: not the same: another likeliest token in 1 place")
    ours, theirs = twins()
    changed(theirs, f"{RUN}/letter_logprob", one_bit((7, 4, 3, 1)))
    assert said(ours, theirs) == ("other bits but the same value of a probability (B, layer 4, coefficient 1, "
                                  "question 'refusal: question 7?'); the mean scores are the same",
                                  "verdict: not the same: other bits of the same probabilities")
    ours, theirs = twins()
    for name in ("letter_logprob", "baseline_logprob"):
        changed(theirs, f"{RUN}/{name}", lambda values: values * np.nan)
    run, verdict = said(ours, theirs)
    assert run.startswith("not a finite value of a probability (") and run.endswith("; no mean score in both")
    assert verdict == "verdict: not the same: a probability is not finite"


def test_the_unsteered_mean_score_is_compared_too(twins, verified):
    ours, theirs = twins()
    changed(theirs, f"{RUN}/baseline_logprob", lambda values: values + np.array([0.3, 0.0]))
    with h5py.File(ours) as a, h5py.File(theirs) as b:
        scores = [metrics.mean(metrics.scores(file[RUN]["baseline_logprob"][()], file[RUN]["matching_letter"][()], ("A", "B")))
                  for file in (a, b)]
    run = run_named(verified(ours, theirs)[1])
    assert run["score"] == {"value": pytest.approx(abs(scores[0] - scores[1])), "layer": None, "coefficient": None}
    assert run["scores"] == 6 * 5 + 1


def test_plans_without_fingerprints_are_not_called_the_same(twins, verified, capsys):
    ours, theirs = twins()
    for path in (ours, theirs):
        with h5py.File(path, "r+") as file:
            del file.attrs["plan_fingerprint"]
    cli.main(["verify", str(ours), "--against", str(theirs)])
    assert "\nplan: not recorded; not recorded\n" in capsys.readouterr().out
    with h5py.File(theirs, "r+") as file:
        del file["spec/plan"]
        file["spec/plan"] = "model big\n"
    assert verified(ours, theirs)[1]["plan"]["same"] is False


def test_a_question_with_another_matching_letter_passes_no_tolerance(twins, verified):
    ours, theirs = twins()
    changed(theirs, f"{RUN}/matching_letter", lambda index: np.where(np.arange(12) == 3, 1 - index, index))
    code, found = verified(ours, theirs, "--tolerance", "1")
    assert code == 1 and run_named(found)["relabelled"] == 1 and run_named(found)["different"] == 0


def test_slabs_of_any_size_find_the_same(twins, verified, monkeypatch):
    ours, theirs = twins()
    rng = np.random.default_rng(3)
    for name in (f"{RUN}/letter_logprob", f"{RUN}/top_logprob", f"{VECTOR}/mean", f"{VECTOR}/block_sums"):
        changed(theirs, name, lambda values: values * (1 + 1e-3 * rng.normal(size=values.shape)))
    whole = verified(ours, theirs)[1]
    monkeypatch.setattr(pairing, "SLAB_BYTES", 1)
    rows = verified(ours, theirs)[1]
    for found in (whole, rows):  # sums of slabs may round otherwise
        score = run_named(found)["score"]
        score["value"] = round(score["value"], 12)
    assert rows == whole


def test_blocks_belong_together_by_their_pairs(twins, verified):
    sweep = Sweep()
    ours, theirs = twins(sweep, Sweep(state={sweep.unit_numbers(EXTRACT, 0, 1)[0]: ABSENT}))
    changed(theirs, f"{VECTOR}/question", lambda texts: np.where(np.arange(8) == 6, b"another pair", texts))
    changed(theirs, f"{VECTOR}/block_sums", lambda values: values + (np.arange(2) == 1)[:, None, None])
    code, found = verified(ours, theirs)
    left = [(one["where"], one["why"], one["results"], one["other"]) for one in found["not_compared"]]
    assert code == 0 and left == [("small/refusal", "only in", 1, 1), ("small/hedging", "not done in", 0, 1)]
