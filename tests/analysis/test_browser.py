"""The page in a real browser: every plot is drawn, and nothing is reported on the console."""

import re
import shutil
import subprocess

import pytest

from made_up import Sweep
from steergrid_analysis import cli

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [pytest.mark.long, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]


def opened(page, profile, *options) -> tuple[str, list[str]]:
    """The document after its scripts ran, and what the page wrote on the console."""
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-extensions", "--no-first-run",
         "--enable-logging=stderr", f"--user-data-dir={profile}", "--virtual-time-budget=60000", *options, "--dump-dom", page.as_uri()],
        capture_output=True, text=True, encoding="utf-8", errors="replace", timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture
def page_of(file_of, tmp_path):
    def page(sweep):
        assert cli.main(["report", str(file_of(sweep)), "-o", str(tmp_path / "out")]) == 0
        return tmp_path / "out" / "report.html"
    return page


FAMILY = Sweep(models={"small": 4, "large": 6}, validation=("refusal", "hedging"))
UNFINISHED = Sweep(state={unit: 0 for unit in Sweep().unit_numbers(2, 0, 0)[1:]})


@pytest.mark.parametrize("sweep, window", [(FAMILY, "1400,1000"), (FAMILY, "500,900"), (UNFINISHED, "1400,1000"),
                                           (Sweep(all_state=0), "1400,1000")], ids=["wide", "narrow", "unfinished", "not run"])
def test_every_plot_is_drawn_and_the_console_stays_empty(page_of, tmp_path, sweep, window):
    document, console = opened(page_of(sweep), tmp_path / "profile", f"--window-size={window}")
    assert console == []
    places = re.findall(r"<div[^>]*\bdata-plot=[^>]*>", document)
    assert len(places) == (0 if sweep.all_state == 0 else 18 if len(sweep.models) == 2 else 6)
    assert all('data-drawn="yes"' in place for place in places)
    assert document.count('class="main-svg"') >= len(places)


def test_a_page_with_a_fault_would_be_noticed(page_of, tmp_path):
    page = page_of(Sweep())
    page.write_text(page.read_text(encoding="utf-8").replace('"kind":"lines"', '"kind":"no such kind"'), encoding="utf-8")
    document, console = opened(page, tmp_path / "profile")
    assert any("not a function" in line for line in console) and 'data-drawn="yes"' not in document
