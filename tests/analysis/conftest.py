"""Shared pieces of the analysis tests: a made-up sweep, its summary, and where the published data lie."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import made_up  # noqa: E402
from steergrid_analysis import open_results, summarise  # noqa: E402


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


@pytest.fixture(scope="session")
def reference_data() -> Path:
    folder = os.environ.get("STEERGRID_REFERENCE_DATA")
    if not folder:
        pytest.skip("STEERGRID_REFERENCE_DATA is not set: no published CAA data")
    if not (Path(folder) / "published" / "summary_7b.tsv").is_file():
        pytest.skip("STEERGRID_REFERENCE_DATA holds no published/summary_7b.tsv")
    return Path(folder)
