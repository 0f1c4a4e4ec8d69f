"""A result file held against made-up folders of results, in the form in which the CAA authors publish theirs.

Their own are in test_published_numbers.py.
"""

import json
import os

import h5py
import numpy as np
import pytest

from made_up import ABSENT, EVALUATE, Sweep, changed, published_name
from steergrid_analysis import cli
from steergrid_analysis.rows import RUN_ARRAYS

RUN = "models/small/runs/refusal"


def items_of(path, layer, coefficient, run=RUN):
    """What a run holds of one cell, as published items."""
    with h5py.File(path) as file:
        group = file[run]
        p = np.exp(group["letter_logprob"][:, layer, coefficient])
        texts, matching = group["text"].asstr()[()], group["matching_letter"][()]
    return [{"question": text, "answer_matching_behavior": f"({'AB'[letter]})", "answer_not_matching_behavior": f"({'BA'[letter]})",
             "a_prob": float(a), "b_prob": float(b)} for text, letter, (a, b) in zip(texts, matching, p)]


@pytest.fixture(name="published")
def published_folder(file_of, tmp_path):
    """Writes a result file and a folder that publishes its run `refusal` in full; returns both."""
    def make(sweep=None):
        ours = file_of(sweep)
        folder = tmp_path / "results" / "refusal"
        folder.mkdir(parents=True)
        for layer in range(6):
            for index, multiplier in enumerate((-2.0, -1.0, 0.0, 1.0, 2.0)):
                (folder / published_name(layer, multiplier)).write_text(json.dumps(items_of(ours, layer, index), indent=4))
        return ours, folder
    return make


def edited(path, change):
    """Publishes other items: `change` gets the list, and returns the new one or None."""
    items = json.loads(path.read_text())
    path.write_text(json.dumps(change(items) or items))


def sparse(path, size):
    path.touch()
    os.truncate(path, size)


def left(found):
    return {(one["where"], one["what"], one["why"]): (one["results"], one["other"]) for one in found["not_compared"]}


def test_a_run_agrees_with_what_was_published_of_it(published, verified):
    ours, folder = published()
    code, found = verified(ours, folder.parent)
    run, = found["runs"]
    assert code == 0 and found["tolerance"] == 1e-4
    assert run["compared"] == {"questions": 12, "published cells": 30, "items": 360} and run["values"] == 30 * 12 * 2
    assert left(found) == {("small", "runs", "only in"): (1, 0)}


def test_an_item_that_differs_is_named_with_its_cell(published, verified, capsys):
    ours, folder = published()
    edited(folder / published_name(3, 1.0), lambda items: items[5].update(b_prob=items[5]["b_prob"] + 3e-4))
    code, found = verified(ours, folder)
    run, = found["runs"]
    assert code == 1 and run["probability"] == {"value": pytest.approx(3e-4), "question": "refusal: question 5?", "letter": "B",
                                                "layer": 3, "coefficient": 1.0}
    assert 0 < run["score"]["value"] < 3e-4 and (run["score"]["layer"], run["score"]["coefficient"]) == (3, 1.0)
    assert verified(ours, folder, "--tolerance", "5e-4")[0] == 0
    cli.main(["verify", str(ours), "--against", str(folder)])
    assert "(B, layer 3, coefficient 1, question 'refusal: question 5?')" in capsys.readouterr().out


def test_the_score_of_a_cell_is_caa_s(published, verified):
    ours, folder = published()
    edited(folder / published_name(2, -1.0), lambda items: [item | {"a_prob": 0.2, "b_prob": 0.6} for item in items])
    score = verified(ours, folder)[1]["runs"][0]["score"]
    items = items_of(ours, 2, 1)
    match = ["a_prob" if "A" in item["answer_matching_behavior"] else "b_prob" for item in items]
    mine = np.mean([item[key] / (item["a_prob"] + item["b_prob"]) for item, key in zip(items, match)])
    theirs = np.mean([0.25 if key == "a_prob" else 0.75 for key in match])
    assert score == {"value": pytest.approx(abs(mine - theirs)), "layer": 2, "coefficient": -1.0}


def test_multiplier_0_is_the_unsteered_pass_whatever_the_layer_or_the_unit(published, verified):
    ours, folder = published(Sweep(coefficient_unit="residual_norm"))
    (folder / published_name(0, 0.0)).rename(folder / published_name(31, 0.0))
    code, found = verified(ours, folder)
    assert code == 0 and found["runs"][0]["compared"]["published cells"] == 6
    assert left(found)["small/refusal", "cells", "only in"] == (24, 0)
    assert left(found)["small/refusal", "published cells", "only in"] == (0, 24)
    changed(ours, f"{RUN}/baseline_logprob", lambda values: values - 0.01)
    assert verified(ours, folder)[0] == 1


def test_other_files_are_counted_by_kind_and_not_read(published, verified):
    ours, folder = published()
    for more in ("_system_prompt=pos", "_system_prompt=neg", "_override_vector=13", "_override_vector_model=Llama-2-7b-hf"):
        (folder / published_name(3, 1.0, more=more)).write_text("not read")
    for kind in ("mmlu", "open_ended", "truthful_qa"):
        (folder / published_name(3, 1.0, kind=kind)).write_text("not read")
    (folder / published_name(3, 1.0).replace("False", "True")).write_text("not read")
    for name in ("README.md", "results_layer=x_multiplier=1.0_behavior=refusal_type=ab_use_base_model=False_model_size=7b.json"):
        (folder / name).write_text("not read")
    code, found = verified(ours, folder)
    counts = {what: other for (_, what, _), (_, other) in left(found).items() if what.startswith("files")}
    assert code == 0 and counts == {
        "files with system_prompt": 2, "files with override_vector": 1, "files with override_vector_model": 1,
        "files of type mmlu": 1, "files of type open_ended": 1, "files of type truthful_qa": 1, "files of a base model": 1,
        "files with another name": 2}
    assert found["model"]["found"][1] == "published: 7b, 30 of 40 files are comparable"


def test_items_cells_and_runs_of_one_side_are_counted(published, verified, capsys):
    sweep = Sweep()
    ours, folder = published(sweep)
    for path in list(folder.iterdir()):
        edited(path, lambda items: items[2:] + [items[0] | {"question": "another?"}])
    (folder / published_name(5, 2.0)).unlink()
    (folder / published_name(40, 1.0)).write_text((folder / published_name(5, 1.0)).read_text())
    (folder / published_name(3, 1.0, "power")).write_text((folder / published_name(5, 1.0)).read_text())
    with h5py.File(ours, "r+") as file:
        records = file["sched/units"][()]
        records["state"][sweep.unit_numbers(EVALUATE, 0, 0)[2]] = ABSENT
        file["sched/units"][...] = records
    code, found = verified(ours, folder)
    assert code == 0 and found["runs"][0]["compared"] == {"questions": 6, "published cells": 29, "items": 174}
    assert left(found) == {
        ("small/refusal", "cells", "only in"): (1, 0), ("small/refusal", "published cells", "only in"): (0, 1),
        ("small/refusal", "items", "only in"): (58, 29), ("small/refusal", "items", "not done in"): (116, 0),
        ("small", "runs", "only in"): (1, 1)}
    cli.main(["verify", str(ours), "--against", str(folder)])
    text = capsys.readouterr().out
    assert "refusal: cells: 1 only in the results (2 at layer 5)\n" in text
    assert "refusal: published cells: 1 only in the other (1 at layer 40)\n" in text


def test_units_that_could_not_steer_have_their_unsteered_pass_compared(published, verified):
    sweep = Sweep()
    ours, folder = published()
    with h5py.File(ours, "r+") as file:
        records = file["sched/units"][()]
        records["flags"][sweep.unit_numbers(EVALUATE, 0, 0)[0]] = 2
        file["sched/units"][...] = records
    edited(folder / published_name(1, 0.0), lambda items: items[3].update(a_prob=0.0))
    code, found = verified(ours, folder)
    assert code == 1 and found["runs"][0]["probability"]["question"] == "refusal: question 3?"
    assert found["runs"][0]["values"] == 2 * (6 * 12 + 24 * 8)
    assert found["runs"][0]["compared"] == {"questions": 12, "published cells": 30, "items": 6 * 12 + 24 * 8}
    assert left(found)["small/refusal", "items", "not done in"] == (24 * 4, 0)


def test_a_file_that_holds_one_item_leaves_the_others_uncompared(published, verified, capsys):
    ours, folder = published()
    for path in folder.iterdir():
        edited(path, lambda items: items[:12 if path.name == published_name(3, 1.0) else 1])
    code, found = verified(ours, folder)
    assert code == 0 and found["runs"][0]["compared"]["items"] == 29 + 12
    assert left(found)["small/refusal", "items", "only in"] == (29 * 11, 0)
    cli.main(["verify", str(ours), "--against", str(folder)])
    text = capsys.readouterr().out
    assert "(12 questions, 30 published cells, 41 items)" in text and "  small/refusal: items: 319 only in the results\n" in text


def test_a_mean_score_is_over_the_items_that_both_sides_measured(published, verified):
    ours, folder = published()
    edited(folder / published_name(2, 1.0), lambda items: items[4].update(a_prob=0.0, b_prob=0.0))
    run, = verified(ours, folder)[1]["runs"]
    assert run["probability"]["layer"] == 2 and (run["score"] is None or run["score"]["value"] < 1e-12)  # not 1/12 of a score


def test_every_run_that_adds_a_behavior_s_vector_is_held_against_it(published, verified):
    ours, folder = published(Sweep(behaviors=("refusal",), validation=("refusal",)))
    with h5py.File(ours, "r+") as file:  # as in jobs/caa-7b: one run of all layers, one of more multipliers at one layer
        runs = file["models/small/runs"]
        runs.move("refusal.validation", "refusal.multipliers")
        for name, (_, dims) in RUN_ARRAYS.items():
            del runs["refusal.multipliers"][name]
            values = runs["refusal"][name][()]
            runs["refusal.multipliers"][name] = values[:, 3:4] if "layer" in dims else values
        for name, values in (("layer", np.array([3], "i4")), ("text", runs["refusal/text"][()])):
            del runs["refusal.multipliers"][name]
            runs["refusal.multipliers"][name] = values
        runs["refusal/coefficient"][...] = [-3.0, -1.0, 0.0, 1.0, 3.0]
    code, found = verified(ours, folder)
    assert code == 0 and {run["name"]: run["compared"] for run in found["runs"]} == {
        "refusal": {"questions": 12, "published cells": 18, "items": 216},
        "refusal.multipliers": {"questions": 12, "published cells": 10, "items": 120}}
    assert left(found) == {("small/refusal", "cells", "only in"): (12, 0), ("small/refusal", "published cells", "only in"): (0, 10)}
    changed(ours, "models/small/runs/refusal.multipliers/letter_logprob", lambda values: values - 0.01)
    assert verified(ours, folder)[0] == 1
    code, found = verified(ours, folder, "--run", "refusal.multipliers")
    assert code == 1 and [run["name"] for run in found["runs"]] == ["refusal.multipliers"]
    assert left(found)["small", "runs", "only in"] == (1, 0)


def test_a_run_is_chosen_among_those_of_several_behaviors(published, verified, capsys):
    ours, folder = published()
    (folder / published_name(3, 1.0, "power")).write_text((folder / published_name(5, 1.0)).read_text())
    with h5py.File(ours, "r+") as file:
        file.move("models/small/runs/refusal", "models/small/runs/refusal.multipliers")
    code, found = verified(ours, folder, "--run", "refusal.multipliers")
    assert code == 0 and found["runs"][0]["compared"]["items"] == 360
    assert cli.main(["verify", str(ours), "--against", str(folder), "--run", "hedging"]) == 2
    assert "expected published results of the behavior of hedging or of one behavior only" in capsys.readouterr().err


def test_a_matching_letter_that_differs_passes_no_tolerance(published, verified):
    ours, folder = published()
    edited(folder / published_name(0, 0.0), lambda items: items[0].update(answer_matching_behavior="(E)"))
    code, found = verified(ours, folder, "--tolerance", "1")
    assert code == 1 and found["runs"][0]["relabelled"] == 1


def test_a_value_that_is_not_a_number_passes_no_tolerance(published, verified):
    ours, folder = published()
    changed(ours, f"{RUN}/letter_logprob", lambda values: np.where(np.arange(6)[:, None, None] == 4, np.nan, values))
    code, found = verified(ours, folder, "--tolerance", "1")
    assert code == 1 and found["runs"][0]["probability"]["value"] is None and found["runs"][0]["probability"]["layer"] == 4


def test_a_run_and_a_model_are_chosen_where_names_do_not_decide(published, verified, capsys):
    ours, folder = published()
    with h5py.File(ours, "r+") as file:
        file.move("models/small/runs/refusal", "models/small/runs/mine")
        file["models/small/runs/mine"].attrs.update(behavior="mine", vectors="mine")
        file.copy("models/small", "models/twin")
    assert cli.main(["verify", str(ours), "--against", str(folder)]) == 2
    assert "expected one of the models small, twin, found no choice, at --model" in capsys.readouterr().err
    code, found = verified(ours, folder, "--model", "twin")
    assert code == 1 and found["verdict"] == "nothing"
    code, found = verified(ours, folder, "--model", "twin", "--run", "mine")
    assert code == 0 and [(run["model"], run["name"]) for run in found["runs"]] == [("twin", "mine")]
    for wrong, part in ((["--model", "tween"], "expected a model of the results (small, twin), found 'tween'"),
                        (["--model", "twin", "--run", "refusal"], "expected a run of the model (")):
        assert cli.main(["verify", str(ours), "--against", str(folder), *wrong]) == 2
        assert part in capsys.readouterr().err


def test_names_that_decide_need_no_choice(published, capsys):
    ours, _ = published()
    assert cli.main(["verify", str(ours), "--against", str(ours), "--run", "refusal"]) == 2
    assert "expected --model, --run and --size with a folder of published results" in capsys.readouterr().err


@pytest.mark.parametrize("text, part", [
    ("{", "expected JSON"), ("[" * 100_000, "expected JSON"), ('"' + "\\ud800", "expected JSON"), (b"\xff\xfe[]", "expected JSON"),
    ("{}", "expected a list of items, found an object"), ("[]", "found an empty list"), ("[1]", "expected an object, found a number"),
    ([{"question": None}], "expected a text 'question', found none"),
    ([{"answer_matching_behavior": 1}], "expected a text 'answer_matching_behavior', found a number"),
    ([{"a_prob": "0.5"}], "expected a number 'a_prob', found a text"), ([{"b_prob": True}], "found true or false"),
    ([{"b_prob": float("nan")}], "expected a probability 'b_prob', found nan"),
    ([{"b_prob": float("inf")}], "expected a probability 'b_prob', found inf"),
    ([{"a_prob": -0.1}], "found -0.1"), ([{"a_prob": 10**400}], "expected a probability")])
def test_a_file_of_a_wrong_shape_is_named_in_one_line(published, capsys, text, part):
    ours, folder = published()
    path = folder / published_name(4, 1.0)
    if isinstance(text, list):
        edited(path, lambda items: items[:7] + [items[7] | text[0]])
    else:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert cli.main(["verify", str(ours), "--against", str(folder)]) == 2
    line, = capsys.readouterr().err.splitlines()
    assert part in line and path.name in line and (not isinstance(text, list) or line.endswith("item 7"))


def test_huge_files_pipes_and_links_to_nowhere_are_refused(published, capsys):
    ours, folder = published()
    path = folder / published_name(4, 1.0)

    def put(make, part):
        path.unlink()
        make()
        assert cli.main(["verify", str(ours), "--against", str(folder)]) == 2
        line, = capsys.readouterr().err.splitlines()
        assert part in line and path.name in line

    put(lambda: sparse(path, 2**40), "expected at most 16777216 bytes, found 1099511627776")
    put(lambda: os.mkfifo(path), "not a regular file")
    put(lambda: path.symlink_to(folder / "nowhere"), "No such file")


def test_a_folder_that_cannot_be_meant_is_refused(published, capsys, tmp_path):
    ours, folder = published()
    (tmp_path / "empty").mkdir()

    def refused(path):
        assert cli.main(["verify", str(ours), "--against", str(path)]) == 2
        line, = capsys.readouterr().err.splitlines()
        return line

    assert "expected results as CAA published them" in refused(tmp_path / "empty")
    again = folder.parent / "again"
    again.mkdir()
    (again / published_name(4, 1.0)).write_text("[]")
    assert "expected one file of a behavior, layer and multiplier, found" in refused(folder.parent)
    (again / published_name(4, 1.0)).rename(again / published_name(4, 1.0, size="13b"))
    assert "expected results of one model or a choice of its --size, found the sizes 13b, 7b" in refused(folder.parent)


def test_of_a_folder_with_several_sizes_one_is_chosen(published, capsys):
    ours, folder = published()
    (folder / published_name(4, 1.0, size="13b")).write_text("{}")  # not read where it is not chosen

    def verified(size):
        code = cli.main(["verify", str(ours), "--against", str(folder), "--size", size])
        return code, "".join(capsys.readouterr())

    code, said = verified("7b")
    assert code == 0 and "files of size 13b: 1 only in the other" in said
    code, said = verified("13b")
    assert code == 2 and "expected a list of items, found an object" in said
    code, said = verified("70b")
    assert code == 2 and "expected a size that the folder's files name (13b, 7b), found '70b', at --size" in said
