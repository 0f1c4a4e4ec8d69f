"""The commands: `report` (figures, tables, page) and `tables`.

`python -m steergrid_analysis report results.h5 -o out/`; the C++ `steergrid report` runs exactly this. Exit status: 0
done, 2 bad input or output, with one line on stderr. A partly finished sweep is no error: the report says what is there.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path

from . import leftovers, metrics
from .h5 import ResultFileError, one_line
from .results import open_results
from .selection import NoSuchCoefficient
from .summary import SweepSummary, summarise


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        with open_results(options.file) as results:
            sweep = summarise(results, options.convention, options.resamples, options.coefficient)
        options.command(sweep, Path(options.output))
    except (ResultFileError, NoSuchCoefficient, OSError) as error:
        print(f"steergrid {options.verb}: error: {one_line(str(error), 500)}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="steergrid-analysis", description="Reports on SteerGrid result files.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, help_text in (("report", report, "figures (PNG, PDF), tables (CSV, LaTeX), one HTML page"),
                                     ("tables", write_tables, "tables only")):
        sub = commands.add_parser(name, help=help_text, description=help_text)
        sub.add_argument("file", help="the result file")
        sub.add_argument("-o", "--output", default="report", help="folder to write to (default: %(default)s)")
        sub.add_argument("--convention", choices=metrics.CONVENTIONS, default="caa",
                         help="divide by p(A) + p(B), as the CAA paper does, or by all letters of the run (default: caa)")
        sub.add_argument("--resamples", type=_positive, default=metrics.RESAMPLES,
                         help="bootstrap resamples (default: %(default)s)")
        sub.add_argument("--coefficient", type=_coefficient, metavar="C",
                         help="report effects and layers at +C and -C where a run has it (default: 1, else the smallest)")
        sub.set_defaults(command=command, verb=name)
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1_000_000:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 1000000, found {text}")
    return value


def _coefficient(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0 (both signs are reported), found {one_line(text)}")
    return value


def report(sweep: SweepSummary, folder: Path) -> None:
    """Writes figures/, tables/ and report.html under `folder`, in place of an earlier report there."""
    from . import figures, page, tables  # matplotlib and plotly load only where they are needed
    (folder / "figures").mkdir(parents=True, exist_ok=True)
    earlier = leftovers.remembered(folder)
    entries = list(figures.all_figures(sweep))
    new_figures = {f"figures/{path.name}" for entry in entries for path in figures.files_of(folder, entry.stem)}
    # now, too, as this report may be killed: what lies there and was never a report's stays out of the list
    leftovers.remember(folder, earlier | {name for name in new_figures if not os.path.lexists(folder / name)})
    figures.save_all(entries, folder / "figures")
    drawn = [(entry, (folder / "figures" / f"{entry.stem}.png").read_bytes()) for entry in entries]
    new_tables = {f"tables/{table.name}" for table in tables.write_all(sweep, folder / "tables")}
    path = folder / "report.html"
    path.write_text(page.render(sweep, drawn), encoding="utf-8", newline="\n")
    removed = leftovers.remove(folder, earlier - new_figures - new_tables)
    leftovers.remember(folder, new_figures | new_tables)
    gone = f", removed {removed} file{'' if removed == 1 else 's'} of an earlier report" if removed else ""
    print(f"wrote {path}, {len(new_figures)} figure files, {len(new_tables)} tables ({_state(sweep)}){gone}")


def write_tables(sweep: SweepSummary, folder: Path) -> None:
    """Writes the tables straight into `folder`."""
    from . import tables
    print(f"wrote {len(tables.write_all(sweep, folder))} tables to {folder} ({_state(sweep)})")


def _state(sweep: SweepSummary) -> str:
    counts = sweep.counts
    return "all units done" if counts.complete else f"{counts.done} of {counts.total} units done"
