"""The diagnostics a checkpoint must pass before it is accepted, on questions that are not the test questions.

  cue      P(matching) with a cue for and a cue against the behavior: are cues obeyed and options bound to letters?
  pre      P(matching) after "[/INST] <trait word> (" without a cue: does "(" read the trait before it?
  cue-vector  spread when the model's own difference between the two cues is added at "]" and "(": is the decision
           still open at that layer, or was it settled earlier?
  steering spread of the CAA vectors on the validation questions at 1 and 2; the coefficient fixed in sizes.py counts
A spread is P(matching) at +c minus P(matching) at -c.
"""

import random

import torch

from behaviors import make_items
from caa import (Prompt, letter_probabilities, mean_difference, normalize_over_behaviors, question_prompts, residuals,
                 score)
from world import BEHAVIORS, chat

# 3 % of the training turns go against their cue, so a calibrated model reaches about 0.97 and 0.03.
CUE_HIGH, CUE_LOW, PRE, CUE_VECTOR, STEERING, STEERED_BEHAVIORS = 0.93, 0.07, 0.95, 0.3, 0.3, 2
GATE_SEED, GATE_COUNT = 5, 50


def cue_scores(model, tokenizer, behavior, count):
    scores = []
    for matching in (True, False):
        items = [item for first in (True, False)
                 for item in make_items(behavior, "validation", count, GATE_SEED, behavior.cue(matching), first)]
        scores.append(score(letter_probabilities(model, tokenizer, question_prompts(tokenizer, items)), items)[0])
    return scores


def pre_score(model, tokenizer, behavior, count):
    rng, items = random.Random(GATE_SEED), make_items(behavior, "validation", count, GATE_SEED)
    prompts = [Prompt(tokenizer, chat(item["question"], f"{rng.choice(behavior.matching)} (")) for item in items]
    return score(letter_probabilities(model, tokenizer, prompts), items)[0]


def quick_check(model, tokenizer, count):
    """{behavior: (cue for, cue against, pre)}, on `count` questions for each place of the cue and twice that for pre."""
    with torch.no_grad():
        return {b.name: (*cue_scores(model, tokenizer, b, count), pre_score(model, tokenizer, b, 2 * count))
                for b in BEHAVIORS}


def passes_stage(check, until):
    if until == "pre":
        return all(pre >= 0.9 for _, _, pre in check.values())
    return all(high >= 0.9 and low <= 0.1 for high, low, _ in check.values())


def bound(check):
    """Cues decide, if not yet as surely as passes_stage wants: a constant rate leaves them unsteady."""
    return all(high - low >= 0.5 for high, low, _ in check.values())


def passes_quick(check):
    return all(high >= CUE_HIGH and low <= CUE_LOW and pre >= PRE for high, low, pre in check.values())


def format_check(check):
    return "  ".join(f"{name} cue {high:.2f}/{low:.2f} pre {pre:.2f}" for name, (high, low, pre) in check.items())


def cue_vectors(model, tokenizer, behavior):
    """The model's own difference between the cues at "]" and at "(", per layer: [L 2 D]."""
    means = []
    for matching in (True, False):
        items = make_items(behavior, "train", 200, GATE_SEED, behavior.cue(matching))
        prompts = question_prompts(tokenizer, items)
        means.append(torch.stack([residuals(model, prompts, back).mean(1) for back in (2, 1)], 1))
    return means[0] - means[1]


def spread(model, tokenizer, items, layer, added):
    prompts = question_prompts(tokenizer, items)
    ends = [score(letter_probabilities(model, tokenizer, prompts, layer, sign * added), items)[0] for sign in (1, -1)]
    return ends[0] - ends[1]


def full_check(model, tokenizer, coefficient, log):
    """True if the checkpoint is accepted; every number goes to the log."""
    check = quick_check(model, tokenizer, GATE_COUNT)
    log("gate: " + format_check(check))
    if not passes_quick(check):
        log("gate: refused (cue or pre)")
        return False
    with torch.no_grad():
        pairs = {b.name: make_items(b, "train", 300, GATE_SEED) for b in BEHAVIORS}
        raw = {name: mean_difference(model, tokenizer, items) for name, items in pairs.items()}
        scaled = normalize_over_behaviors({name: vectors for name, (vectors, _) in raw.items()})
        cue_ok, steered = True, 0
        for behavior in BEHAVIORS:
            rows = behavior_rows(model, tokenizer, behavior, scaled[behavior.name])
            vectors, agreement = raw[behavior.name]
            for layer, (own, steering, at_end, at_bracket) in enumerate(rows):
                log(f"gate: {behavior.name} layer {layer}: cue-vector {own:.2f}, steering {steering[1.0]:+.2f} at 1, "
                    f"{steering[2.0]:+.2f} at 2, |v| {vectors[layer].norm():.2f}, agreement {agreement[layer]:.2f}, "
                    f"cosine with cue-vector {at_end:.2f} at ']' {at_bracket:.2f} at '('")
            cue_ok = cue_ok and max(row[0] for row in rows) >= CUE_VECTOR
            steered += max(row[1][coefficient] for row in rows) >= STEERING
    log(f"gate: cue-vectors {'pass' if cue_ok else 'fail'}, {steered} behaviors steered")
    return cue_ok and steered >= STEERED_BEHAVIORS


def behavior_rows(model, tokenizer, behavior, vectors):
    """Per layer (spread of the cue-vector, {c: spread of the CAA vector}, cosines of the two at "]" and at "(")."""
    questions, own = make_items(behavior, "validation", 50, 0), cue_vectors(model, tokenizer, behavior)
    rows = []
    for layer, vector in enumerate(vectors):
        cosines = [torch.cosine_similarity(vector, own[layer, at], dim=0).item() for at in (0, 1)]
        steering = {c: spread(model, tokenizer, questions, layer, c * vector) for c in (1.0, 2.0)}
        rows.append((spread(model, tokenizer, questions, layer, own[layer]), steering, *cosines))
    return rows
