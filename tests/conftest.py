"""Fixtures of the tests that run the program (e2e, chaos, slurm): where it is, and sweeps in temporary folders."""

import os
from pathlib import Path

import pytest
from sweeps import ROOT, Sweep


@pytest.fixture(scope="session", name="program")
def _program() -> str:
    program = os.environ.get("STEERGRID", str(ROOT / "build" / "release" / "steergrid"))
    assert Path(program).is_file(), f"{program}: build first, or set STEERGRID"
    return program


@pytest.fixture(scope="session", name="faulty")
def _faulty(program) -> str:
    """The program with faults that STEERGRID_FAULT asks for (tests/chaos/faulty_steergrid.cpp)."""
    faulty = os.environ.get("FAULTY_STEERGRID", str(Path(program).parent / "tests" / "chaos" / "faulty_steergrid"))
    assert Path(faulty).is_file(), f"{faulty}: build first, or set FAULTY_STEERGRID"
    return faulty


@pytest.fixture(scope="session", name="environment", autouse=True)
def _environment():
    if os.geteuid() == 0:
        os.environ["OMPI_ALLOW_RUN_AS_ROOT"] = os.environ["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"


@pytest.fixture(name="sweep")
def _sweep(program, tmp_path):
    return lambda name="sweep", **settings: Sweep(program, tmp_path / name, **settings)
