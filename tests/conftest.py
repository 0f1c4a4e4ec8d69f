"""Fixtures of the tests that run the program (e2e, chaos): where it is, and sweeps in temporary folders."""

import os
from pathlib import Path

import pytest
from sweeps import ROOT, Sweep


@pytest.fixture(scope="session", name="program")
def _program() -> str:
    program = os.environ.get("STEERGRID", str(ROOT / "build" / "release" / "steergrid"))
    assert Path(program).is_file(), f"{program}: build first, or set STEERGRID"
    return program


@pytest.fixture(scope="session", name="environment", autouse=True)
def _environment():
    if os.geteuid() == 0:
        os.environ["OMPI_ALLOW_RUN_AS_ROOT"] = os.environ["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"


@pytest.fixture(name="sweep")
def _sweep(program, tmp_path):
    return lambda name="sweep", **settings: Sweep(program, tmp_path / name, **settings)
