"""Fixtures of the tests on a real Slurm. They need root, namespaces and Slurm's daemons (`scripts/install_dependencies.sh
check`), and skip with the reason where one of them is missing."""

import pytest
from private_cluster import Cluster, why_not


@pytest.fixture(name="cluster")
def _cluster(tmp_path):
    if reason := why_not():
        pytest.skip(reason)
    cluster = Cluster(tmp_path / "cluster")
    yield cluster
    cluster.end()
