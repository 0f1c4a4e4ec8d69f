"""What `run --restarts` hands to its launches and to its signals; survival itself is tests/chaos's."""

import signal
import subprocess
import time


def start(program, spec, launcher, *options, **more):
    command = [program, "run", spec, f"--launcher={launcher}", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def starts_of(program, spec, what_happens):
    """The commands of up to three launches with --retry-failed."""
    noted = spec.parent / "starts"
    launcher = f"sh -c 'echo \"$@\" >>{noted}; {what_happens}; exit 1' launcher"
    supervisor = start(program, spec, launcher, "--restarts=2", "--retry-failed", "--verbose")
    _, said = supervisor.communicate()
    assert supervisor.returncode == 75, said
    starts = noted.read_text().splitlines()
    assert len(starts) == 3 and all("--verbose" in line for line in starts)
    return starts


def test_failed_units_are_tried_again_by_the_first_launch_that_comes_to_it_only(sweep, program):
    s = sweep(pairs=6, questions=3)
    forgets = '"$@"; rm -f "$STEERGRID_SUPERVISED"'  # the run tells that it is over, and nobody hears it
    assert ["--retry-failed" in line for line in starts_of(program, s.folder / "sweep.yaml", forgets)] == [True, False, False]
    (s.folder / "starts").unlink()
    assert all("--retry-failed" in line for line in starts_of(program, s.folder / "sweep.yaml", "true"))


def test_a_signal_that_is_ignored_stays_so(program, tmp_path):
    """As under nohup: the terminal may go, the run stays."""
    launcher = f"sh -c 'echo >>{tmp_path}/starts; kill -HUP $$; sleep 0.5; echo >>{tmp_path}/ends; exit 1' launcher"
    ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    supervisor = start(program, tmp_path / "none.yaml", launcher, "--restarts=1", preexec_fn=ignore)
    while supervisor.poll() is None and not (tmp_path / "starts").exists():
        time.sleep(0.01)
    supervisor.send_signal(signal.SIGHUP)
    _, said = supervisor.communicate()
    assert "restart 1 of 1" in said
    for file in ("starts", "ends"):
        assert (tmp_path / file).read_text().count("\n") == 2, said
