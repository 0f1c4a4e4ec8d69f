"""Shared pieces of the analysis tests: a made-up sweep, its summary, and where the published data lie."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import made_up  # noqa: E402
from steergrid_analysis import cli, open_results, summarise  # noqa: E402


@pytest.fixture
def file_of(tmp_path):
    """Writes a sweep and returns the path of its file."""
    def write(sweep=None, name="results.h5"):
        made_up.write(tmp_path / name, sweep)
        return tmp_path / name
    return write


@pytest.fixture
def summary_of(file_of):
    """Writes a sweep and returns its summary."""
    def summary(sweep=None, **options):
        with open_results(file_of(sweep)) as results:
            return summarise(results, **options)
    return summary


@pytest.fixture(name="twins")
def two_files(file_of):
    """Writes one sweep twice; returns both paths."""
    def write(sweep=None, other=None):
        return file_of(sweep, "ours.h5"), file_of(other or sweep, "theirs.h5")
    return write


@pytest.fixture(name="verified")
def verified_as_json(capsys):
    """Runs the command; returns its exit status and what it found."""
    def run(ours, theirs, *options):
        code = cli.main(["verify", str(ours), "--against", str(theirs), *options, "--json"])
        found = json.loads(capsys.readouterr().out)
        assert found["exit"] == code
        return code, found
    return run


@pytest.fixture(scope="session")
def reference_data() -> Path:
    folder = os.environ.get("STEERGRID_REFERENCE_DATA")
    if not folder:
        pytest.skip("STEERGRID_REFERENCE_DATA is not set: no published CAA data")
    if not (Path(folder) / "published" / "summary_7b.tsv").is_file():
        pytest.skip("STEERGRID_REFERENCE_DATA holds no published/summary_7b.tsv")
    return Path(folder)
