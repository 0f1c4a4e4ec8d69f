"""How long the report of a large sweep takes, and how large its page is; not a test, pytest does not collect it.

    python tests/analysis/bench_report.py [FOLDER]

Makes up 3 models x 7 behaviors x 80 layers x 9 coefficients x 50 questions, runs the command as a user would, prints the
seconds and megabytes and exits with 1 if a limit is passed. With FOLDER the report is kept there.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import made_up  # noqa: E402

MAX_SECONDS, MAX_PAGE_MB = 60.0, 15.0
SWEEP = made_up.Sweep(
    models={"made-up-7b": 80, "made-up-13b": 80, "made-up-70b": 80},
    behaviors=("coordinate-other-ais", "corrigible-neutral-HHH", "hallucination", "myopic-reward", "survival-instinct",
               "sycophancy", "refusal"),
    coefficients=(-4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0), questions=50, pairs=64, block=64, hidden=1024)


def main(folder: Path) -> int:
    made_up.write(folder / "large.h5", SWEEP)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "steergrid_analysis", "report", folder / "large.h5", "-o", folder / "report"],
                   check=True)
    seconds = time.perf_counter() - began
    page = (folder / "report" / "report.html").stat().st_size / 1e6
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{seconds:.1f} s (limit {MAX_SECONDS:g}), {used.ru_utime + used.ru_stime:.1f} s of CPU time, page {page:.1f} MB "
          f"(limit {MAX_PAGE_MB:g})")
    return 0 if seconds < MAX_SECONDS and page < MAX_PAGE_MB else 1


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
        sys.exit(main(Path(sys.argv[1])))
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(Path(temporary)))
