"""Builds and writes a golden file from any forward: README.md beside this file describes its layout."""

import json
from pathlib import Path
from typing import Callable

import numpy as np

from cases import CELLS, MODELS, PAIRS, PROMPTS, TAP_FROM_END
from made_up_weights import made_up_weights

FOLDER = Path(__file__).parent

# forward(tokens, additions, first) -> residual after each block [layer, position, hidden], log-probabilities of the
# next token [vocabulary]; additions are (layer, vector already times coefficient), applied from position `first` on.
# The residuals of an unsteered forward only are used.
Forward = Callable[[list[int], list[tuple[int, np.ndarray]], int], tuple[np.ndarray, np.ndarray]]


def vectors_of(forward: Forward) -> np.ndarray:
    """Mean over the pairs of residual(matching) - residual(not matching) at the tapped position: [layer, hidden]."""
    tapped = {
        member: np.stack([forward(pair[member], [], 0)[0][:, -TAP_FROM_END] for pair in PAIRS]).astype(np.float64)
        for member in ("matching", "not_matching")
    }
    return np.mean(tapped["matching"] - tapped["not_matching"], axis=0)


def steered(forward: Forward, cell: dict, vectors: np.ndarray) -> np.ndarray:
    """Log-probabilities [vocabulary] of a cell."""
    additions = [(a["layer"], np.float32(a["coefficient"]) * vectors[a["vector"]]) for a in cell["additions"]]
    return forward(PROMPTS[cell["prompt"]], additions, cell["from"])[1]


def _digits(values: np.ndarray, digits: int = 9) -> list:
    """Nested lists of the numbers; 9 digits hold a float32 exactly, log-probabilities get 12."""
    if values.ndim > 1:
        return [_digits(v, digits) for v in values]
    return [float(f"{v:.{digits}g}") for v in values]


def write_golden(name: str, model: str, made_by: str, forward: Forward) -> Path:
    config, seed = MODELS[model]
    runs = [forward(prompt, [], 0) for prompt in PROMPTS]
    vectors = vectors_of(forward).astype(np.float32)  # steering uses the vectors as the file holds them
    golden = {
        "format": 1,
        "made_by": made_by,
        "config": config,
        "seed": seed,
        "weight_sums": {name: float(w.sum()) for name, w in made_up_weights(config, seed).items()},
        "prompts": PROMPTS,
        "residuals": [_digits(residuals) for residuals, _ in runs],
        "log_probabilities": [_digits(log_p, 12) for _, log_p in runs],
        "tap_from_end": TAP_FROM_END,
        "pairs": PAIRS,
        "vectors": _digits(vectors),
        "cells": [
            {**cell, "log_probabilities": _digits(steered(forward, cell, vectors), 12)} for cell in CELLS
        ],
    }
    path = FOLDER / f"{name}.json"
    text = json.dumps(golden, separators=(",", ":"))
    path.write_text(text.replace('],"', '],\n"').replace("},{", "},\n{") + "\n")
    return path


def read_golden(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text())
