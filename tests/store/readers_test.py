"""A result file as the readers of the world see it: h5py, h5dump, and xarray with both of its HDF5 engines.

STEERGRID_EXAMPLE names a finished file made by `store_writer example FILE`, or STORE_WRITER names that program. netCDF4
runs in a process of its own: a crash in it is then one failed test.
"""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")
xr = pytest.importorskip("xarray")

SMALL_GROUPS = ["/models/tiny/vectors/refusal", "/models/small/vectors/hedging", "/models/tiny/runs/refusal",
                "/models/small/runs/hedging", "/spec", "/sched"]
CELL = ("question", "layer", "coefficient")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    if os.environ.get("STEERGRID_EXAMPLE"):
        return os.environ["STEERGRID_EXAMPLE"]
    writer = os.environ.get("STORE_WRITER")
    if not writer:
        pytest.skip("neither STEERGRID_EXAMPLE nor STORE_WRITER is set")
    made = tmp_path_factory.mktemp("readers") / "example.h5"
    subprocess.run([writer, "example", str(made)], check=True, stdout=subprocess.DEVNULL)
    return str(made)


def test_h5py_reads_every_dataset_of_the_file(path):
    seen = []
    with h5py.File(path, "r") as file:
        file.visititems(lambda name, item: seen.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    assert len(seen) > 80


def test_every_dataset_with_axes_has_a_scale_on_each(path):
    bare = []

    def look(name, item):
        if isinstance(item, h5py.Dataset) and not item.is_scale:
            bare.extend(name for axis in item.dims if len(axis) != 1)

    with h5py.File(path, "r") as file:
        file.visititems(look)
    assert not bare


def test_records_are_64_bytes_and_say_done(path):
    with h5py.File(path, "r") as file:
        units = file["sched/units"]
        assert units.dtype.itemsize == 64
        assert units.id.get_offset() % 64 == 0
        assert (units["state"] == 1).all()
        assert file["sched/launches"].dtype.itemsize == 512


def test_texts_are_utf8(path):
    with h5py.File(path, "r") as file:
        assert file["spec/yaml"].asstr()[()].endswith("# größer\n")
        assert "größer" in file["models/tiny/runs/refusal/text"].asstr()[0]
        assert isinstance(file.attrs["run_identity"], str)


def test_half_precision_activations_read_natively(path):
    with h5py.File(path, "r") as file:
        activations = file["models/tiny/activations/refusal/activations"]
        assert activations.dtype == np.float16
        assert np.isfinite(activations[()]).all() and activations[()].any()


def test_arrays_can_be_mapped_without_hdf5(path):
    with h5py.File(path, "r") as file:
        mean = file["models/tiny/vectors/refusal/mean"]
        mapped = np.memmap(path, mean.dtype, "r", mean.id.get_offset(), mean.shape)
        assert (mapped == mean[()]).all()


@pytest.mark.skipif(not shutil.which("h5dump"), reason="h5dump is not installed")
def test_h5dump_prints_the_whole_file(path):
    dump = subprocess.run(["h5dump", path], capture_output=True, text=True, check=True)
    assert 'DATASET "letter_logprob"' in dump.stdout


def test_h5netcdf_labels_the_axes(path):
    pytest.importorskip("h5netcdf")
    for group in SMALL_GROUPS + ["/models/tiny/activations/refusal"]:
        xr.open_dataset(path, engine="h5netcdf", group=group).load().close()
    check_labels(path, "h5netcdf")


def test_netcdf4_labels_the_axes(path):
    pytest.importorskip("netCDF4")
    code = (f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); import readers_test as r, xarray as xr\n"
            f"for group in r.SMALL_GROUPS: xr.open_dataset({path!r}, engine='netcdf4', group=group).load().close()\n"
            f"r.check_labels({path!r}, 'netcdf4')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def check_labels(path, engine):
    run = xr.open_dataset(path, engine=engine, group="/models/small/runs/hedging").load()
    assert run["letter_logprob"].dims == CELL + ("letter",)
    assert run["top_token"].dims == CELL and run["baseline_logprob"].dims == ("question", "letter")
    assert list(run["coefficient"].values) == [-1, 0, 1.5] and list(run["layer"].values) == [0, 2]
    assert [str(letter) for letter in run["letter"].values] == ["A", "B", "C"]
    one = run["letter_logprob"].sel(layer=2, coefficient=1.5, letter="B")
    assert one.dims == ("question",) and np.isfinite(one).all()
    vectors = xr.open_dataset(path, engine=engine, group="/models/small/vectors/hedging").load()
    assert vectors["mean"].dims == ("layer", "hidden") and vectors["mean"].dtype == np.float32
    assert vectors["block_sums"].dims == ("block", "layer", "hidden")
    assert vectors["scale"].dims == ("layer",) and vectors["question"].dims == ("pair",)
