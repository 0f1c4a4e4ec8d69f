"""The commands: `report` (figures, tables, page), `tables` and `verify`.

`python -m steergrid_analysis report results.h5 -o out/`; the C++ `steergrid report` and `steergrid verify` run exactly
these. Exit status: 0 done, 2 bad input or output, with one line on stderr; `verify` ends with 1 where results do not agree.
A partly finished sweep is no error: the report says what is there.
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
        return options.command(options)
    except (ResultFileError, NoSuchCoefficient, OSError, MemoryError) as error:
        return _refused(options, str(error) or "expected input that fits into memory, found more")
    except Exception as error:
        if options.verb != "verify":
            raise
        return _refused(options, f"expected an answer, found {type(error).__name__}: {error}")  # 1 would be a verdict


def _refused(options: argparse.Namespace, why: str) -> int:
    print(f"steergrid {options.verb}: error: {one_line(why, 500)}", file=sys.stderr)
    return 2


class _OneLine(argparse.ArgumentParser):
    """Says what is wrong with the command line without its usage, which is not that of `steergrid report`."""

    def error(self, message: str):
        self.exit(2, f"{self.prog.replace('-analysis', '')}: error: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _OneLine(prog="steergrid-analysis", description="Reports on SteerGrid result files.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, write, help_text in (("report", report, "figures (PNG, PDF), tables (CSV, LaTeX), one HTML page"),
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
        sub.set_defaults(command=_summarised, write=write, verb=name)
    _add_verify(commands)
    return parser


def _add_verify(commands) -> None:
    help_text = "does another result agree with this one"
    sub = commands.add_parser("verify", help=help_text, description=help_text)
    sub.add_argument("file", help="the result file")
    sub.add_argument("--against", required=True, metavar="OTHER",
                     help="another result file, or a folder of results as the CAA authors published them")
    sub.add_argument("--tolerance", type=_probability, metavar="P",
                     help="how far probabilities may differ (default: not a bit; with a folder 1e-4)")
    sub.add_argument("--model", help="with a folder: the model to hold against it (default: the only one)")
    sub.add_argument("--run", help="with a folder: the run to hold against it (default: those that add a behavior's vector)")
    sub.add_argument("--size", help="with a folder: of which model, as its files name it: 7b (default: the only one)")
    sub.add_argument("--json", action="store_true", help="as JSON")
    sub.set_defaults(command=_verify, verb="verify")


def _positive(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 1_000_000:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 1000000, found {text}")
    return value


def _number(text: str) -> float:
    """NaN for what is none: no range holds it."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _coefficient(text: str) -> float:
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0 (both signs are reported), found {one_line(text)}")
    return value


def _probability(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a difference of probabilities from 0 to 1, found {one_line(text)}")
    return value


def _summarised(options: argparse.Namespace) -> int:
    with open_results(options.file) as results:
        sweep = summarise(results, options.convention, options.resamples, options.coefficient)
    options.write(sweep, Path(options.output))
    return 0


def _verify(options: argparse.Namespace) -> int:
    """0: the same bits or within the tolerance; 1: not, or nothing to compare; 2: an answer that nobody can read."""
    from .verify import files, folder, text  # a report needs none of them
    if os.path.isdir(options.against):
        found = folder.verify_folder(options.file, options.against, options.tolerance, options.model, options.run, options.size)
    elif {options.model, options.run, options.size} != {None}:
        raise ResultFileError("expected --model, --run and --size with a folder of published results, found a file whose own "
                              f"names decide, at {one_line(options.against)}")
    else:
        found = files.verify_files(options.file, options.against, options.tolerance)
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(text.as_json(found) if options.json else text.as_text(found), flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries again at its end
        return _refused(options, f"standard output: expected to write all of the answer, found {error.strerror}")
    return 0 if found.passed else 1


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
