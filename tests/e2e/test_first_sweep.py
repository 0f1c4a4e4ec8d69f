"""The README's first sweep works as it is printed."""

import os
import re
import subprocess
import sys
from pathlib import Path

from sweeps import ROOT


def printed_commands() -> str:
    section = (ROOT / "README.md").read_text().split("## A first sweep of your own")[1].split("\n## ")[0]
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))


def test_the_printed_commands_run_one_after_another(program, tmp_path):
    (tmp_path / "build" / "release").mkdir(parents=True)
    (tmp_path / "build" / "release" / "steergrid").symlink_to(Path(program).resolve())
    (tmp_path / "jobs").symlink_to(ROOT / "jobs")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    path = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if not Path(p, "steergrid").exists())
    done = subprocess.run(["bash", "-ec", printed_commands()], stdin=subprocess.DEVNULL, cwd=tmp_path,
                          env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=300, check=False)
    assert done.returncode == 0, done.stdout
    assert "warning" not in done.stdout, done.stdout
    report = (tmp_path / "build" / "first" / "report" / "report.html").read_text()
    assert "Layer chosen on validation questions" in report
