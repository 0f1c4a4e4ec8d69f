"""What a user sees on a terminal: a progress line, and nothing glued to it."""

import os
import pty
import re
import signal
import subprocess

import pytest
from trials import ONE_THREAD


def read(terminal: int) -> str:
    try:
        return os.read(terminal, 4096).decode(errors="replace")  # a character may be cut in two
    except OSError:  # nobody writes to it any more
        return ""


def screen(written: str) -> list[str]:
    """The lines that a terminal shows: carriage returns and erasing to the end of the line obeyed, colours dropped."""
    lines, column = [""], 0
    for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|[^\x1b]", written):
        if part == "\n":
            lines.append("")
        elif part == "\r":
            column = 0
        elif part == "\x1b[K":
            lines[-1] = lines[-1][:column]
        elif part[0] != "\x1b":
            lines[-1] = lines[-1][:column].ljust(column) + part + lines[-1][column + 1 :]
            column += 1
    return lines


@pytest.mark.parametrize("arguments", [("-v",), ("--log=sweep.log",)])
def test_nothing_is_glued_to_the_progress_line(stage, arguments):
    ours, terminal = pty.openpty()
    command = stage.sweep.command(1, *ONE_THREAD, *arguments)
    environment = {**os.environ, "STEERGRID_FAULT": "slow=100"}
    with subprocess.Popen(command, stderr=terminal, env=environment, cwd=stage.sweep.folder) as process:
        os.close(terminal)
        written = ""
        while some := read(ours):
            written += some
            if len(re.findall(r"demo \(1/1\)", written)) >= 5:
                process.send_signal(signal.SIGTERM)
    os.close(ours)
    assert process.returncode == 75, written
    lines = screen(written)
    assert any(line.startswith("steergrid: stopped on request") for line in lines), written
    assert any(line.startswith("demo (1/1)") and "waiting for 0 units" in line for line in lines), written
    for line in lines:
        assert len(re.findall(r"steergrid: |20\d\d-\d\d-\d\dT\d|demo \(1/1\)", line)) <= 1, line
