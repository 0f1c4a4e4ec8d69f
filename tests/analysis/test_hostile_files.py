"""Files that are not ours, damaged or malicious: one line that says expected, found, where; never a traceback."""

import h5py
import numpy as np
import pytest

from made_up import Sweep, replaced
from steergrid_analysis import ResultFileError, cli, open_results, summarise


def error_of(path) -> str:
    with pytest.raises(ResultFileError) as caught:
        with open_results(path) as results:
            summarise(results)
    message = str(caught.value)
    assert "\n" not in message and message.startswith("expected") and "found" in message
    return message


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    assert "found nothing" in error_of(tmp_path / "none.h5")


def test_a_folder_is_not_a_result_file(tmp_path):
    assert "not a regular file" in error_of(tmp_path)


def test_an_empty_file_is_said_to_be_empty(tmp_path):
    (tmp_path / "empty.h5").touch()
    assert "empty file" in error_of(tmp_path / "empty.h5")


def test_a_file_of_another_kind_is_said_to_be_one(tmp_path):
    (tmp_path / "text.h5").write_text("<html>not a sweep</html>" * 100)
    assert "expected an HDF5 file, found another kind" in error_of(tmp_path / "text.h5")


@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
def test_a_truncated_file_is_said_to_be_truncated(file_of, share):
    path = file_of()
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "truncated" in error_of(path)


def test_an_hdf5_file_of_someone_else_is_not_ours(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.arange(3)
    assert "expected a SteerGrid result file" in error_of(tmp_path / "other.h5")


def test_another_format_version_is_named(file_of):
    path = file_of()
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 99
    assert f"expected format version 2, found 99, at /@format_version of {path}" == error_of(path)


@pytest.mark.parametrize("name", ["sched/units", "sched/kind", "spec/yaml", "models/small/runs/refusal/letter_logprob",
                                  "models/small/runs/refusal/layer", "models/small/vectors/refusal/mean", "spec"])
def test_a_missing_group_or_dataset_is_named(file_of, name):
    path = file_of()
    with h5py.File(path, "r+") as file:
        del file[name]
    assert name.rsplit("/", 1)[-1] in error_of(path)


@pytest.mark.parametrize("name, values, part", [
    ("models/small/runs/refusal/letter_logprob", np.zeros((12, 6, 5, 3)), "expected the shape (12, 6, 5, 2)"),
    ("models/small/runs/refusal/letter_logprob", np.zeros((12, 6, 5, 2), "i4"), "found int32"),
    ("models/small/runs/refusal/question_unit", np.full(12, 10**6, "i4"), "expected unit numbers from 0 to 11"),
    ("models/small/runs/refusal/question_unit", np.zeros(3, "i4"), "expected 12 rows, found 3"),
    ("models/small/runs/refusal/matching_letter", np.full(12, 9, "i4"), "expected letters from -1 to 1"),
    ("models/small/runs/refusal/text", np.zeros(12), "strings"),
    ("sched/units", np.zeros(12, "u4"), "sched/units"),
    ("sched/units", np.zeros(12, [("state", "<u4")]), "attempt"),
    ("sched/message", np.zeros((3, 240), "u1"), "sched/message"),
    ("models/small/vectors/refusal/scale", np.zeros(5), "expected the shape (6,)")])
def test_an_array_of_the_wrong_shape_or_type_is_named(file_of, name, values, part):
    assert part in error_of(replaced(file_of(), name, values))


@pytest.fixture(name="secret")
def a_secret_file(tmp_path):
    other = tmp_path / "secret.h5"
    with h5py.File(other, "w") as file:
        file["mean"] = np.zeros((6, 16), "f4")
    return str(other)


def test_links_to_other_files_are_refused(file_of, secret):
    path = file_of()
    with h5py.File(path, "r+") as file:
        del file["models/small/vectors/refusal/mean"]
        file["models/small/vectors/refusal/mean"] = h5py.ExternalLink(secret, "/mean")
    assert "link to another file" in error_of(path)


def test_a_soft_link_is_refused_as_it_may_lead_to_another_file(file_of, secret):
    path = file_of()
    with h5py.File(path, "r+") as file:
        file["way_out"] = h5py.ExternalLink(secret, "/mean")
        del file["models/small/vectors/refusal/mean"]
        file["models/small/vectors/refusal/mean"] = h5py.SoftLink("/way_out")
    assert "found a soft link" in error_of(path)


def test_arrays_stored_in_other_files_are_refused(file_of, tmp_path):
    (tmp_path / "secret.bin").write_bytes(bytes(6 * 8))
    path = file_of()
    with h5py.File(path, "r+") as file:
        group = file["models/small/vectors/refusal"]
        del group["scale"]
        group.create_dataset("scale", (6,), "f8", external=[(str(tmp_path / "secret.bin"), 0, 48)])
    assert "reference to another file" in error_of(path)


def test_an_array_that_claims_more_than_the_file_holds_is_refused_before_it_is_read(file_of):
    path = file_of()
    with h5py.File(path, "r+") as file:
        group = file["models/small/vectors/refusal"]
        del group["mean"]
        group.create_dataset("mean", (6, 2**36), "f4", chunks=(1, 1024))
    assert "fits into the file" in error_of(path)


def test_a_model_name_that_leaves_the_folder_is_refused(file_of):
    path = file_of()
    with h5py.File(path, "r+") as file:
        file.move("models/small", "models/<script>")
    assert "expected a name of letters" in error_of(path)


def test_values_beyond_all_reason_are_left_out_and_can_still_be_drawn(file_of, tmp_path):
    path = file_of()
    with h5py.File(path, "r+") as file:
        logprob = file["models/small/runs/refusal/letter_logprob"]
        junk = np.array([np.inf, -np.inf, np.nan, 1e308, -1e308, 0.0])
        logprob[...] = np.random.default_rng(0).choice(junk, size=logprob.shape)
        file["models/small/vectors/refusal/mean_norm"][...] = [np.inf, -1, 0, 1e308, np.nan, 1]
        file["models/small/vectors/refusal/residual_norm"][...] = [0, 0, np.inf, 1e-308, 1, 1]
    assert cli.main(["report", str(path), "-o", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize("name, values, part", [
    ("layer", np.zeros(6, "i4"), "repeated"), ("coefficient", np.array([0, 1, np.nan, 2, 3.0]), "finite"),
    ("coefficient", np.ones(5), "repeated")])
def test_axes_that_make_no_grid_are_named(file_of, name, values, part):
    path = file_of()
    message = error_of(replaced(path, f"models/small/runs/refusal/{name}", values))
    assert part in message and message.endswith(f"{name} of {path}")


def test_random_damage_never_ends_in_anything_but_a_result_or_a_clear_error(file_of):
    path = file_of(Sweep(questions=4, models={"small": 2}))
    whole = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), size=20):
            damaged[place] = int(rng.integers(256))
        path.write_bytes(damaged)
        try:
            with open_results(path) as results:
                summarise(results, resamples=10)
        except ResultFileError as error:
            assert "\n" not in str(error)


def test_the_command_answers_a_bad_file_with_one_line_and_status_2(tmp_path, capsys):
    (tmp_path / "bad.h5").write_text("nothing")
    assert cli.main(["report", str(tmp_path / "bad.h5"), "-o", str(tmp_path / "out")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "expected" in lines[0]
    assert not (tmp_path / "out").exists()
