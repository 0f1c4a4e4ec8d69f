"""What `verify` says of bad input: one line that says expected, found, where and in which of the two; status 2."""

import io
import sys

import h5py
import numpy as np
import pytest

from made_up import Sweep, changed, replaced
from steergrid_analysis import ResultFileError, cli, h5
from steergrid_analysis.verify.agreement import differs, relative_distances
from steergrid_analysis.verify.files import verify_files

RUN, VECTOR = "models/small/runs/refusal", "models/small/vectors/refusal"


@pytest.fixture(name="refused")
def refused_with_one_line(capsys):
    """Runs the command, which must refuse; returns the line."""
    def run(*arguments) -> str:
        assert cli.main(["verify", *map(str, arguments)]) == 2
        said = capsys.readouterr()
        line, = said.err.splitlines()
        assert said.out == "" and line.startswith("steergrid verify: error: expected ") and "found" in line
        return line
    return run


@pytest.mark.parametrize("name, values, part", [
    (f"{RUN}/letter_logprob", np.zeros((12, 6, 5, 3)), "expected the shape (12, 6, 5, 2)"),
    (f"{RUN}/top_token", np.zeros((12, 6, 5)), "found float64"),
    (f"{RUN}/layer", np.zeros(6, "i4"), "repeated"),
    (f"{RUN}/matching_letter", np.full(12, 9, "i4"), "expected letters from -1 to 1"),
    (f"{RUN}/question_unit", np.full(12, 99, "i4"), "expected unit numbers"),
    (f"{VECTOR}/mean", np.zeros((5, 16), "f4"), "expected the shape (6, any)"),
    (f"{VECTOR}/mean", np.zeros((6, 16), np.longdouble), "expected numbers of kind 'f'"),
    (f"{VECTOR}/block_unit", np.array([0, 0], "i4"), "blocks that share no pair"),
    (f"{VECTOR}/question", np.zeros(3), "strings"),
    ("sched/count", np.full(12, 99, "i4"), "expected blocks within 8 pairs")])
@pytest.mark.parametrize("damaged", ["ours", "theirs"])
def test_a_damaged_array_is_named_with_the_file_it_is_in(twins, refused, name, values, part, damaged):
    paths = dict(zip(("ours", "theirs"), twins()))
    replaced(paths[damaged], name, values)
    line = refused(paths["ours"], "--against", paths["theirs"])
    assert part in line and line.endswith(f" of {paths[damaged]}")


def test_a_damaged_file_is_named_whatever_its_name(twins, refused, tmp_path, monkeypatch):
    ours, theirs = twins()
    theirs.rename(tmp_path / "small")
    monkeypatch.chdir(tmp_path)
    replaced("small", f"{RUN}/layer", np.zeros(6, "i4"))
    assert refused(ours, "--against", "small").endswith(f"/{RUN}/layer of small")


def test_files_that_are_no_results_are_refused_whichever_side_they_are_on(file_of, refused, tmp_path):
    ours, text = file_of(), tmp_path / "text.h5"
    text.write_text("<html>" * 100)
    for pair in ((ours, text), (text, ours)):
        line = refused(pair[0], "--against", pair[1])
        assert "expected an HDF5 file, found another kind of file" in line and line.count(str(text)) == 1
    assert "found nothing" in refused(ours, "--against", tmp_path / "none.h5")


def test_a_row_that_nobody_could_hold_is_refused_before_memory_is_taken(file_of, refused, monkeypatch):
    ours, theirs = [file_of(Sweep(hidden=2), name) for name in ("ours.h5", "theirs.h5")]
    monkeypatch.setattr(h5, "MAX_ROW_BYTES", 6 * 5 * 2 * 8 - 1)
    line = refused(ours, "--against", theirs)
    assert "expected rows of at most 479 bytes, found 480 bytes" in line and f"{RUN}/letter_logprob" in line


def test_axes_without_questions_may_not_claim_a_grid_of_any_size(file_of, refused):
    paths = [file_of(Sweep(questions=0), name) for name in ("ours.h5", "theirs.h5")]
    for path in paths:
        replaced(path, f"{RUN}/layer", np.arange(2**14, dtype="i4"))
        replaced(path, f"{RUN}/coefficient", np.arange(2**14, dtype="f8"))
        for name, shape in (("letter_logprob", (2,)), ("top_logprob", ()), ("top_token", ())):
            replaced(path, f"{RUN}/{name}", np.zeros((0, 2**14, 2**14, *shape), "i4" if name == "top_token" else "f8"))
    assert "expected rows of at most" in refused(paths[0], "--against", paths[1])


@pytest.mark.parametrize("identity", ['{"backend": ' * 4 + "1" + "}" * 4, "no JSON", '{"models": 3, "isa": [1, 2]}',
                                      '{"isa": ' * 900 + "1" + "}" * 900, '{"a": "\\u001b[31m"}'])
def test_any_text_in_the_place_of_an_identity_is_shown_as_printable_or_refused(twins, identity, capsys):
    ours, theirs = twins()
    with h5py.File(theirs, "r+") as file:
        file.attrs["run_identity"] = identity
    assert cli.main(["verify", str(ours), "--against", str(theirs)]) in (0, 2)
    assert "\x1b" not in "".join(capsys.readouterr())


def test_texts_of_a_file_give_no_orders_to_a_terminal(twins, capsys):
    ours, theirs = twins()
    for path, word in ((ours, "one"), (theirs, "two")):
        changed(path, f"{RUN}/text", lambda texts: np.array([f"\x1b[31m{i}\nline" for i in range(12)], dtype=object))
        with h5py.File(path, "r+") as file:
            file.attrs["plan_fingerprint"] = f"\x1b]0;{word}"
            del file["spec/plan"]
            file["spec/plan"] = f"\x1b[2Jmodels: {word}\nname: x\n"
    changed(theirs, f"{RUN}/letter_logprob", lambda values: values - 0.1)
    assert cli.main(["verify", str(ours), "--against", str(theirs)]) == 1
    text = capsys.readouterr().out
    assert "\x1b" not in text and "[2Jmodels: one; other two" in text


def test_values_beyond_all_reason_differ_and_say_so(twins, verified):
    ours, theirs = twins()
    junk = np.array([np.inf, -np.inf, np.nan, 1e308, -1e308, 0.0])
    for seed, path in enumerate((ours, theirs)):
        rng = np.random.default_rng(seed)
        for name in (f"{RUN}/letter_logprob", f"{RUN}/top_logprob", f"{VECTOR}/block_sums", f"{VECTOR}/scale"):
            changed(path, name, lambda values: rng.choice(junk, size=values.shape))
    code, found = verified(ours, theirs, "--tolerance", "1")
    assert code == 1 and found["runs"][0]["probability"]["value"] is None


def test_random_damage_never_ends_in_anything_but_an_answer_or_a_clear_error(file_of):
    sweep = Sweep(questions=4, models={"small": 2})
    ours, theirs = file_of(sweep, "ours.h5"), file_of(sweep, "theirs.h5")
    whole = theirs.read_bytes()
    rng = np.random.default_rng(1)
    answers = 0
    for _ in range(60):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), size=4):
            damaged[place] = int(rng.integers(256))
        theirs.write_bytes(damaged)
        try:
            verify_files(str(ours), str(theirs), 0.1)
            answers += 1
        except ResultFileError as error:
            assert "\n" not in str(error) and str(error).startswith("expected")
    assert 0 < answers < 60


@pytest.mark.parametrize("tolerance", ["-0.1", "nan", "1.5", "much"])
def test_a_tolerance_is_a_difference_of_probabilities(twins, tolerance, capsys):
    ours, theirs = twins()
    with pytest.raises(SystemExit) as ended:
        cli.main(["verify", str(ours), "--against", str(theirs), f"--tolerance={tolerance}"])
    assert ended.value.code == 2 and "--tolerance: expected a difference of prob" in capsys.readouterr().err


def test_beyond_all_probabilities_no_tolerance_holds(twins, verified):
    ours, theirs = twins()
    for path, value in ((ours, 800.0), (theirs, 900.0)):
        changed(path, f"{RUN}/letter_logprob", lambda values: np.where(np.arange(6)[:, None, None] == 4, value, values))
    code, found = verified(ours, theirs, "--tolerance", "1")
    assert code == 1 and found["runs"][0]["probability"]["value"] is None


def test_a_failure_is_one_line_and_no_verdict(twins, capsys, monkeypatch):
    ours, theirs = twins()
    monkeypatch.setattr("steergrid_analysis.verify.files.compare_run", lambda *_: 1 // 0)
    assert cli.main(["verify", str(ours), "--against", str(theirs)]) == 2
    line, = capsys.readouterr().err.splitlines()
    assert line == "steergrid verify: error: expected an answer, found ZeroDivisionError: integer division or modulo by zero"


def test_a_terminal_without_the_texts_letters_gets_escapes(twins, monkeypatch):
    ours, theirs = twins()
    for path in (ours, theirs):
        changed(path, f"{RUN}/text", lambda texts: np.array([f"où {i}" for i in range(12)], dtype=object))
    changed(theirs, f"{RUN}/letter_logprob", lambda values: values - 0.1)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert cli.main(["verify", str(ours), "--against", str(theirs)]) == 1
    assert b"question 'o\\xf9 " in sys.stdout.buffer.getvalue()


def test_bits_are_compared_not_values():
    a, b = np.array([0.0, np.nan, 1.0, np.inf]), np.array([-0.0, -np.nan, np.nextafter(1, 2), np.inf])
    assert differs(a, b).tolist() == [True, False, True, False]
    assert differs(a.astype("f2"), a).tolist() == [False] * 4  # widening is exact
    assert relative_distances(np.zeros((1, 2)), np.array([[-0.0, 0.0]])).tolist() == [0.0]
