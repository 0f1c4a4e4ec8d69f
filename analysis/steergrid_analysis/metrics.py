"""What is computed from answer probabilities and vectors: scores, mass, effects, intervals, the best layer, cosines.

Pure functions on numpy arrays; no file, no model, no figure. The question is always the first axis; NaN means "not
measured" and is left out of sums and counts. Sums run in the order of the questions, in float64, so that published
averages come out to the last bit. Every function that needs chance takes resample weights, which all cells share:
differences between cells are therefore paired.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CONVENTIONS = ("caa", "letters")
RESAMPLES = 2000
LEVEL = 0.95
LEAST = 10  # different questions for an interval: the resampled means of fewer vary far less than chance does
LOW_MASS = 0.5  # mean letter mass under which a score rests on too little to be shown as a finding
_CELLS_AT_ONCE = 2048


def answer_letters(letters: Sequence[str], convention: str = "caa") -> np.ndarray:
    """Indices of the letters that a score divides by: A and B ('caa'), or every letter of the run ('letters')."""
    if convention not in CONVENTIONS:
        raise ValueError(f"expected one of {CONVENTIONS}, found {convention!r}")
    chosen = [i for i, letter in enumerate(letters) if convention == "letters" or letter in ("A", "B")]
    return np.array(chosen, dtype=np.int64)


def scores_from_probabilities(probability: np.ndarray, matching: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """p(matching) / sum of p over `chosen`, per item.

    probability [question, ..., letter]; matching [question] index into letter, -1: none; result [question, ...].
    An item whose matching letter is not among `chosen` scores 0, and still counts as an item."""
    among = np.asarray(probability, dtype=np.float64)[..., chosen]
    is_match = np.asarray(matching)[:, None] == chosen[None, :]
    is_match = is_match.reshape(is_match.shape[0], *(1,) * (among.ndim - 2), is_match.shape[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sum(among * is_match, axis=-1) / np.sum(among, axis=-1)


def scores(logprob: np.ndarray, matching: np.ndarray, letters: Sequence[str], convention: str = "caa") -> np.ndarray:
    """As scores_from_probabilities, from log-probabilities [question, ..., letter]; does not underflow."""
    chosen = answer_letters(letters, convention)
    with np.errstate(invalid="ignore"):
        shifted = logprob - np.max(logprob[..., chosen], axis=-1, keepdims=True, initial=-np.inf)
    return scores_from_probabilities(np.exp(shifted), matching, chosen)


def mass(logprob: np.ndarray, letters: Sequence[str], convention: str = "caa") -> np.ndarray:
    """Probability of answering with one of the letters at all, [question, ...]: what the score divides by."""
    return np.sum(np.exp(logprob[..., answer_letters(letters, convention)]), axis=-1)


def letter_on_top(logprob: np.ndarray, top_logprob: np.ndarray) -> np.ndarray:
    """1 where the likeliest token of the vocabulary is an answer letter, else 0, NaN where not measured."""
    best = np.max(logprob, axis=-1, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        on_top = (best >= top_logprob - 1e-9).astype(np.float64)
    return np.where(np.isfinite(best) & np.isfinite(top_logprob), on_top, np.nan)


def top_token_share(top_token: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The commonest top token over questions and its share, from [question, ...] ids (negative: not measured)."""
    flat = _by_cell(top_token)
    token, share = np.full(flat.shape[1], -1), np.full(flat.shape[1], np.nan)
    for cell in range(flat.shape[1]):
        measured = flat[flat[:, cell] >= 0, cell]
        if measured.size:
            ids, count = np.unique(measured, return_counts=True)
            token[cell], share[cell] = ids[count.argmax()], count.max() / measured.size
    return token.reshape(top_token.shape[1:]), share.reshape(top_token.shape[1:])


def count(values: np.ndarray) -> np.ndarray:
    """How many questions were measured, [...]."""
    return np.sum(np.isfinite(values), axis=0)


def mean(values: np.ndarray) -> np.ndarray:
    """Mean over the measured questions, summed in their order; NaN where there is none."""
    if values.shape[0] == 0:
        return np.full(values.shape[1:], np.nan)
    total = np.cumsum(np.where(np.isfinite(values), values, 0.0), axis=0)[-1]
    with np.errstate(invalid="ignore"):
        return total / count(values)


def effects(score: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Steered minus unsteered score, per question: score [question, ...], baseline [question]."""
    return score - baseline.reshape(-1, *(1,) * (score.ndim - 1))


def spans(score: np.ndarray, coefficients: np.ndarray, reference: float) -> np.ndarray:
    """score(+c) - score(-c) per question and layer, [question, layer]; NaN where a sign was not run."""
    plus, minus = coefficient_index(coefficients, reference), coefficient_index(coefficients, -reference)
    if plus is None or minus is None:
        return np.full(score.shape[:2], np.nan)
    return score[:, :, plus] - score[:, :, minus]


def pushes(effect: np.ndarray, coefficients: np.ndarray, reference: float) -> np.ndarray:
    """How far steering moves the mean effect [layer, coefficient] its own way, by layer: effect(+c) - effect(-c), or the
    one of the two that was measured in any layer."""
    columns = [(sign, coefficient_index(coefficients, sign * reference)) for sign in (1, -1)]
    moved = [sign * effect[:, column] for sign, column in columns if column is not None]
    measured = [one for one in moved if np.isfinite(one).any()]
    return np.sum(measured, axis=0) if measured else np.full(effect.shape[0], np.nan)


def coefficient_index(coefficients: np.ndarray, value: float) -> int | None:
    """Where `value` stands on the coefficient axis."""
    found = np.flatnonzero(np.isclose(coefficients, value, rtol=1e-12, atol=0.0) | (coefficients == value))
    return int(found[0]) if found.size else None


def reference_coefficient(coefficients: np.ndarray, wanted: float | None = None) -> float | None:
    """The coefficient c > 0 that summaries compare as +c and -c: `wanted` where the list has it with any sign, else of those
    with both signs (of all, where none is) 1, else the smallest; None if nothing steers."""
    sizes = np.unique(np.abs(coefficients[coefficients != 0]))
    if sizes.size == 0:
        return None
    if wanted is not None and (found := coefficient_index(sizes, wanted)) is not None:
        return float(sizes[found])
    both = np.array([size for size in sizes if {size, -size} <= set(coefficients.tolist())])
    among = both if both.size else sizes
    return 1.0 if coefficient_index(among, 1.0) is not None else float(among[0])


def best_layer(span: np.ndarray) -> int | None:
    """Index of the layer with the greatest value; the first of equals; None if nothing was measured."""
    return int(np.nanargmax(span)) if np.isfinite(span).any() else None


def resample_weights(questions: int, seed: int, resamples: int = RESAMPLES, cluster: np.ndarray | None = None) -> np.ndarray:
    """How often each question is drawn in each bootstrap resample, [resample, question], f64; the same for a seed.

    `cluster` [question] numbers from 0 what is drawn as one; without it, or where each question is its own cluster,
    questions are drawn one by one, by the same random numbers."""
    if questions == 0:
        return np.zeros((resamples, 0))
    count = questions if cluster is None else int(cluster.max()) + 1
    drawn = np.random.default_rng(seed % 2**64).integers(0, count, size=(resamples, count))
    flat = drawn + np.arange(resamples)[:, None] * count
    weights = np.bincount(flat.ravel(), minlength=resamples * count).reshape(resamples, count).astype(np.float64)
    return weights if count == questions else np.take(weights, cluster, axis=1)


def count_clusters(values: np.ndarray, cluster: np.ndarray | None = None) -> np.ndarray:
    """How many clusters have a measured question, [...]: values [question, ...], cluster [question] (None: each its own)."""
    if cluster is None or cluster.size == 0:
        return count(values)
    order = np.argsort(cluster, kind="stable")
    starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))
    return np.sum(np.logical_or.reduceat(np.isfinite(values)[order], starts, axis=0), axis=0)


def bootstrap_interval(values: np.ndarray, weights: np.ndarray, cluster: np.ndarray | None = None,
                       level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval of the mean over questions: values [question, ...], weights [resample, question] -> low, high.

    NaN for cells with fewer than LEAST measured clusters; `cluster` [question] as the weights were drawn by."""
    flat = _by_cell(values)
    ends = np.full((2, flat.shape[1]), np.nan)
    for first in range(0, flat.shape[1], _CELLS_AT_ONCE):
        part = slice(first, first + _CELLS_AT_ONCE)
        ends[:, part] = _interval(flat[:, part], weights, level)
    ends[:, count_clusters(flat, cluster) < LEAST] = np.nan
    low, high = ends.reshape(2, *values.shape[1:])
    return low, high


def imbalance(effect: np.ndarray, coefficients: np.ndarray, reference: float, weights: np.ndarray,
              cluster: np.ndarray | None = None) -> np.ndarray:
    """|mean effect of -c| - |mean effect of +c| by layer with its paired interval: [value, low, high][layer].

    effect [question, layer, coefficient]. Positive: negative steering moves the score more. NaN where a sign was not run."""
    plus, minus = coefficient_index(coefficients, reference), coefficient_index(coefficients, -reference)
    found = np.full((3, effect.shape[1]), np.nan)
    if plus is None or minus is None or effect.shape[0] == 0:
        return found
    both = np.isfinite(effect[:, :, plus]) & np.isfinite(effect[:, :, minus])
    up, down = (np.where(both, effect[:, :, column], np.nan) for column in (plus, minus))
    found[0] = np.abs(mean(down)) - np.abs(mean(up))
    resampled = np.abs(_resampled_means(down, weights)) - np.abs(_resampled_means(up, weights))
    found[1:] = np.where(count_clusters(up, cluster) < LEAST, np.nan, _quantiles(resampled, LEVEL))
    return found


def cosines(vectors: np.ndarray) -> np.ndarray:
    """Cosine similarity of every two rows, [n, hidden] -> [n, n] in float64; NaN for rows without a direction."""
    rows = np.asarray(vectors, dtype=np.float64)
    norm = np.linalg.norm(rows, axis=1)
    usable = np.isfinite(norm) & (norm > 0)
    unit = rows / np.where(usable, norm, np.nan)[:, None]
    unit[~usable] = 0.0
    found = np.clip(unit @ unit.T, -1.0, 1.0)
    np.fill_diagonal(found, 1.0)
    found[~usable], found[:, ~usable] = np.nan, np.nan
    return (found + found.T) / 2


def _by_cell(values: np.ndarray) -> np.ndarray:
    """[question, ...] as [question, cell]; also for no questions at all."""
    return values.reshape(values.shape[0], int(np.prod(values.shape[1:])))


def _interval(flat: np.ndarray, weights: np.ndarray, level: float) -> np.ndarray:
    """Both ends for [question, cell]; cells without any measured question stay NaN."""
    return _quantiles(_resampled_means(flat, weights), level)


def _resampled_means(flat: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean of every cell in every resample, [resample, cell]; NaN where a resample drew no measured question."""
    means = np.full((weights.shape[0], flat.shape[1]), np.nan)
    measured = np.isfinite(flat)
    whole = measured.all(axis=0) & (flat.shape[0] > 0)
    if whole.any():  # clusters differ in size: resamples differ in how many questions they draw
        means[:, whole] = weights @ flat[:, whole] / weights.sum(axis=1, keepdims=True)
    for cell in np.flatnonzero(~whole & measured.any(axis=0)):
        seen = measured[:, cell]
        drawn = weights[:, seen].sum(axis=1)
        means[drawn > 0, cell] = (weights[:, seen] @ flat[seen, cell])[drawn > 0] / drawn[drawn > 0]
    return means


def _quantiles(resampled: np.ndarray, level: float) -> np.ndarray:
    """Both ends of the central interval of [resample, cell]; NaN where there is no resample."""
    ends = np.full((2, resampled.shape[1]), np.nan)
    missing = np.isnan(resampled)
    quantiles = [(1 - level) / 2, (1 + level) / 2]
    whole = ~missing.any(axis=0)
    if whole.any():
        ends[:, whole] = np.quantile(resampled[:, whole], quantiles, axis=0)
    for cell in np.flatnonzero(~whole & ~missing.all(axis=0)):
        ends[:, cell] = np.quantile(resampled[~missing[:, cell], cell], quantiles)
    return ends
