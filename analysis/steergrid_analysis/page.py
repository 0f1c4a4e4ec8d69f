"""The report as one self-contained HTML page.

Assembles plain values for templates/report.html.j2, which escapes everything; nothing of the file reaches a script but
numbers and checked names, and the page's content security policy admits only its own two scripts (by hash) and no network
at all. The page tells: what ran, what is missing, the headline, size, sign, then each model and each behavior. Opens
offline, prints with the static figures instead of the interactive plots. Called by cli.py.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from . import comparison, findings, findings_questions, style
from .figures import FigureEntry
from .metrics import LEAST, LOW_MASS
from .summary import Estimate, RunSummary, SweepSummary

TEMPLATES = Path(__file__).parent / "templates"
MAX_FAILURES = 50
Drawn = list[tuple[FigureEntry, bytes]]


def render(sweep: SweepSummary, drawn: Drawn) -> str:
    """The page; `drawn` holds every figure with its PNG."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True,
                                     lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(pct=percent, pctci=percent_interval, points=points, point=point, whole=whole, size=style.size_label,
                               coefficient=style.coefficient)
    plotly = get_plotlyjs().replace("\r\n", "\n")
    script = (TEMPLATES / "report.js").read_text(encoding="utf-8")
    plots: dict[str, dict] = {}
    pictures = [_picture(entry, png, plots) for entry, png in drawn]
    sizes = comparison.across_sizes(sweep)
    return environment.get_template("report.html.j2").render(
        sweep=sweep, least=LEAST, low_mass=LOW_MASS, head=sweep.head, file=Path(sweep.head.path).name,
        counts=sweep.counts, gaps=findings.gaps(sweep), cautions=findings.cautions(sweep),
        letters=findings_questions.letters(sweep),
        failures=sweep.failures[:MAX_FAILURES], more_failures=max(0, len(sweep.failures) - MAX_FAILURES),
        identity=_flat(sweep.head.run_identity), headline=findings.headline(sweep), asked=findings.asked(sweep),
        chosen=findings.chosen(sweep.reported), repeats=findings_questions.repeats(sweep.reported),
        rows=[_row(run) for run in sweep.reported], size_words=findings.size(sweep), sizes=sizes,
        dtypes={point.dtype for models in sizes.values() for point in models}, balance_words=findings.balance(sweep),
        behaviors=_behaviors(sweep),
        pictures=lambda *kinds, **where: [p for p in pictures if p.belongs(kinds, **where)],
        style=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")), policy=f"{_hash(plotly)} {_hash(script)}",
        plotly=Markup(plotly), script=Markup(script),
        plots=Markup(_json({"scales": style.plotly_colorscales(), "plots": plots})))


@dataclasses.dataclass
class _Picture:
    """A figure on the page; `plot` names its interactive twin, if it has one."""

    entry: FigureEntry
    caption: str
    source: str
    plot: str | None = None
    height: int = 0

    def belongs(self, kinds: tuple[str, ...], model: str | None = None, run: str | None = None) -> bool:
        """Whether it is of one of the kinds, and of the model and run where they are given."""
        entry = self.entry
        return entry.kind in kinds and model in (None, entry.model) and run in (None, entry.run)


_HINTS = {"effect": " On a screen, point at a cell for its numbers.", "cosines": " On a screen, point at a cell for its value.",
          "lines": " On a screen, point at a mark for its numbers; click a name to hide it, twice to see it alone."}


def _picture(entry: FigureEntry, png: bytes, plots: dict[str, dict]) -> _Picture:
    """The figure for the template; adds the numbers of its interactive twin to `plots`."""
    picture = _Picture(entry, entry.caption, "data:image/png;base64," + base64.b64encode(png).decode("ascii"))
    if entry.plot is not None:
        numbers = entry.plot()
        picture.plot, picture.height = f"plot-{len(plots)}", numbers["height"]
        picture.caption += _HINTS[numbers["kind"]]
        plots[picture.plot] = numbers
    return picture


def _row(run: RunSummary) -> dict:
    """The run's line in the headline table; only the run itself where nothing was measured."""
    if run.best is None:
        return {"run": run, "best": None}
    signed = [(run.at_best(sign * run.reference, "score"), run.mass_at_best(sign * run.reference)) for sign in (-1, 1)]
    return {"run": run, "best": run.best_layer, "scores": [(run.baseline, run.baseline_mass), *signed],
            "span": run.layer_at_best("span"), "one_sign": findings.one_sign(run), "few": run.different < LEAST}


def _behaviors(sweep: SweepSummary) -> list[dict]:
    """Every reported run by name, in the order of the file: its label, its models, and the run that chose its layer."""
    found: dict[str, dict] = {}
    for run in sweep.reported:
        entry = found.setdefault(run.name, {"name": run.name, "label": run.label, "runs": []})
        entry["runs"].append(run)
    return list(found.values())


def _json(value) -> str:
    """JSON that can stand inside a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode('ascii')}'"


def _flat(value, prefix: str = "") -> list[tuple[str, str]]:
    """Nested JSON as (dotted key, text) rows."""
    if not isinstance(value, dict):
        return [(prefix, style.plain(str(value), 200))]
    return [row for key, inner in value.items() for row in _flat(inner, f"{prefix}.{key}" if prefix else str(key))]


def percent(value: float | None) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{100 * value:.1f} %"


def whole(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{100 * value:.0f}"


def percent_interval(estimate: Estimate | None) -> str:
    if estimate is None or not np.isfinite(estimate.value):
        return "–"
    interval = f" [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]" if estimate.has_interval else ""
    return f"{100 * estimate.value:.1f}{interval}"


def points(estimate: Estimate | None) -> str:
    if estimate is None or not np.isfinite(estimate.value):
        return "–"
    interval = f" [{100 * estimate.low:+.1f}, {100 * estimate.high:+.1f}]" if estimate.has_interval else ""
    return f"{100 * estimate.value:+.1f}{interval}".replace("-", "−")


def point(estimate: Estimate | None) -> str:
    return points(estimate).split(" ")[0]
