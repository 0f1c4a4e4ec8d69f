"""How figures look: sizes, colours, text from files made safe for matplotlib, ticks that do not collide.

Blue means more of the behavior, orange less, in every figure (the CAA paper's two colours); purple and green are kept for
cosines; behaviors are told apart by
marker and line as well as by colour, so the figures survive print and colour blindness. Called by figures and page.
"""

from __future__ import annotations

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.ticker import MaxNLocator

from .metrics import LOW_MASS

PLUS, MINUS, INK, MUTED, GRID = "#377eb8", "#ff7f00", "#1f2430", "#6b7280", "#e5e7eb"
_DIVERGING = ["#7f3b08", "#d95f02", "#ff9f45", "#fdd0a2", "#f7f7f7", "#c6dbef", "#7fb2d9", "#377eb8", "#0b3c6f"]
EFFECT_MAP = LinearSegmentedColormap.from_list("effect", _DIVERGING).with_extremes(bad=(0, 0, 0, 0))
_COSINE = ["#5e2478", "#9970ab", "#d6c1de", "#f7f7f7", "#c3e5be", "#5aae61", "#0f5a2c"]
COSINE_MAP = LinearSegmentedColormap.from_list("cosine", _COSINE).with_extremes(bad=(0, 0, 0, 0))
WIDTH = 4.8  # inches, of every figure: readable in print and at 400 pixels
SERIES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#1f2430"]  # Okabe and Ito
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*"]  # with 7 colours and dashes, 84 different series
DASHES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 1)), (0, (1, 1))]

RC = {"font.size": 9, "font.family": "DejaVu Sans", "axes.labelsize": 9, "axes.titlesize": 9.5, "axes.titleweight": "bold",
      "axes.titlelocation": "left", "axes.edgecolor": MUTED, "axes.labelcolor": INK, "text.color": INK, "xtick.color": INK,
      "ytick.color": INK, "xtick.labelsize": 8.5, "ytick.labelsize": 8.5, "legend.fontsize": 8.5, "legend.frameon": False,
      "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.6,
      "axes.axisbelow": True, "lines.linewidth": 1.5, "lines.markersize": 4, "figure.dpi": 100, "pdf.fonttype": 42,
      "figure.constrained_layout.use": True, "text.parse_math": False}


def styled(draw):
    """Decorator: a function that draws runs with these settings and leaves the caller's alone."""
    def inner(*args, **kwargs):
        with rc_context(RC):
            return draw(*args, **kwargs)
    inner.__name__, inner.__doc__ = draw.__name__, draw.__doc__
    return inner


def plain(text: str, limit: int = 48) -> str:
    """Text from a file for a label: printable, one line, short. (Math is off: `text.parse_math`.)"""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def number(value: float) -> str:
    """A coefficient as a label, with a real minus sign."""
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")


_UNITS = {"multiplier": " × v′", "residual_norm": " × ‖h‖"}


def coefficient(value: float, unit: str, sign: str = "") -> str:
    """A coefficient with what it multiplies, the vector or the residual's mean length: '1 × v′', '1 × ‖h‖'."""
    return sign + number(value) + _UNITS.get(unit, "")


def coefficient_label(unit: str) -> str:
    """The axis label of coefficients, with their unit."""
    known = {"multiplier": "multiples of the steering vector", "residual_norm": "multiples of the residual's mean norm"}
    return f"Coefficient ({known.get(unit, plain(unit, 30))})"


def spread_ticks(count: int, most: int = 12) -> np.ndarray:
    """At most `most` positions of `count`, at a round step, the first one included."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9) if -(-count // step) <= most)
    return np.arange(0, count, step)


def apart(values: np.ndarray, least: float = 0.075) -> list[float]:
    """The values that can carry a label on a linear axis without touching: ends and 0 first, then from large to small."""
    span = float(np.ptp(values)) or 1.0
    kept: list[float] = []
    for value in sorted(values.tolist(), key=lambda v: (v not in (values.min(), values.max(), 0.0), -abs(v), v)):
        if all(abs(value - other) >= least * span for other in kept):
            kept.append(value)
    return sorted(kept)


def whisker(axes, estimate, at: float, colour: str, marker: str, filled: bool = True, upright: bool = False) -> None:
    """An Estimate in percent as a mark with its interval, if it has one, lying at height `at` or standing at x `at`."""
    if estimate is None or not np.isfinite(estimate.value):
        return
    value, ends = 100 * estimate.value, [100 * estimate.low, 100 * estimate.high]
    span, place = ([at, at], ends) if upright else (ends, [at, at])
    if estimate.has_interval:
        axes.plot(span, place, color=colour, linewidth=1.3, solid_capstyle="butt")
    x, y = (at, value) if upright else (value, at)
    axes.plot([x], [y], color=colour, marker=marker, markersize=5, linestyle="", markeredgewidth=1.2,
              markerfacecolor=colour if filled else "white")


def band(axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, alpha: float, label: str | None = None) -> None:
    """Intervals along a curve; where a point has no measured neighbour to span an area with, an upright line."""
    known = np.isfinite(low) & np.isfinite(high)
    if not known.any():
        return
    axes.fill_between(x, low, high, color=colour, alpha=alpha, linewidth=0, label=label)
    beside = np.zeros_like(known)
    beside[1:] |= known[:-1]
    beside[:-1] |= known[1:]
    alone = known & ~beside
    axes.vlines(x[alone], low[alone], high[alone], color=colour, alpha=min(1.0, 3 * alpha), linewidth=4)


def layer_axis(axes) -> None:
    """Whole numbers along x, also where there is one layer."""
    low, high = axes.dataLim.intervalx
    if low == high:
        axes.set_xlim(low - 1, high + 1)
        axes.set_xticks([low], [f"{low:g}"])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, steps=[1, 2, 5, 10]))


def hollow(axes, x: np.ndarray, y: np.ndarray, mass: np.ndarray, look: dict) -> None:
    """White marks over those points of a curve that rest on little letter mass."""
    few = np.asarray(mass) < LOW_MASS
    if few.any():
        axes.plot(x[few], y[few], color=look["color"], marker=look["marker"], linestyle="", markerfacecolor="white", zorder=3)


def low_mass_key(axes):
    """The legend's entry for hollow marks."""
    return axes.plot([], [], color=MUTED, marker="o", markerfacecolor="white", linestyle="",
                     label="hollow: letter mass under 50 %")[0]


def series(index: int) -> dict:
    """Colour, marker and dash of the n-th behavior."""
    return {"color": SERIES[index % len(SERIES)], "marker": MARKERS[index % len(MARKERS)],
            "linestyle": DASHES[index % len(DASHES)]}


def row_wise(handles: list) -> list:
    """Legends fill column by column; this order makes two columns read row by row."""
    return handles[::2] + handles[1::2]


def marker_step(layers: int, index: int) -> tuple[int, int]:
    """Which points carry a marker: all of a small model, some of a deep one, not the same for every line."""
    step = -(-layers // 20)
    return (index % step, step)


def round_up(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten: limits of a colour bar."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value * (1 - 1e-9)))


def size_label(parameters: float) -> str:
    """A number of parameters with two digits: 0.80M, 13B."""
    for power, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if parameters >= 0.0995 * power and (power > 1e3 or parameters >= 995):
            two = f"{parameters / power:#.2g}".rstrip(".")
            return f"{two}{letter}" if parameters < 99.5 * power else f"{parameters / power:.0f}{letter}"
    return f"{parameters:g}"


def plotly_colorscales() -> dict[str, list[list]]:
    """Both maps for plotly: name -> [[position, colour], ...]."""
    return {name: [[i / (len(colours) - 1), to_hex(colour)] for i, colour in enumerate(colours)]
            for name, colours in (("effect", _DIVERGING), ("cosine", _COSINE))}
