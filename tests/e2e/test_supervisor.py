"""What `run --restarts` hands to its launches and to its signals; survival itself is tests/chaos's."""

import signal
import subprocess
import time


def start(program, folder, launcher, *options, **more):
    command = [program, "run", folder / "none.yaml", f"--launcher={launcher}", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def test_failed_units_are_tried_again_in_the_first_launch_only(program, tmp_path):
    launcher = f"sh -c 'echo \"$@\" >>{tmp_path}/starts; exit 1' launcher"
    supervisor = start(program, tmp_path, launcher, "--restarts=2", "--retry-failed", "--verbose")
    assert supervisor.wait() == 75, supervisor.communicate()
    starts = (tmp_path / "starts").read_text().splitlines()
    assert ["--retry-failed" in line for line in starts] == [True, False, False]
    assert all("--verbose" in line for line in starts)


def test_a_signal_that_is_ignored_stays_so(program, tmp_path):
    """As under nohup: the terminal may go, the run stays."""
    launcher = f"sh -c 'echo >>{tmp_path}/starts; sleep 0.5; exit 1' launcher"
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    supervisor = start(program, tmp_path, launcher, "--restarts=1", preexec_fn=ignore)
    while not (tmp_path / "starts").exists():
        time.sleep(0.01)
    supervisor.send_signal(signal.SIGHUP)
    _, said = supervisor.communicate()
    assert "restart 1 of 1" in said and (tmp_path / "starts").read_text().count("\n") == 2
