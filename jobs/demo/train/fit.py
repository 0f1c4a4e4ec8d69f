"""Trains one model with one seed, in two stages; the second begins when every behavior passes the first's diagnostic.
A model that is grown from a smaller one has been through the first stage and begins with the second.

AdamW, warm-up, a constant rate in stage 1, cosine to 2 % in stage 2. The answer's tokens count fully in the loss, the
instruction's little. A seed whose cues are not bound in time is given up: the failure shows before steering is tried.
"""

import math
import random
import time

import torch
import torch.nn.functional as F

from gate import bound, format_check, passes_stage, quick_check
from llama import Llama, load_checkpoint, make_config, round_weights
from tokenizer import BEGIN, END, UNKNOWN
from widen import widen
from world import chat, draw_turn

WARM_UP_STEPS, CHECK_EVERY, CHECK_COUNT, LAST_RATE = 100, 100, 20, 0.02


def make_batch(rng, tokenizer, size, stage):
    """ids [B T] and loss weights of the targets [B T-1]."""
    rows, weights = [], []
    for _ in range(size.batch):
        user, answer = draw_turn(rng, stage, size.distractors)
        instruction = tokenizer.encode(chat(user))
        ids = [BEGIN] + tokenizer.encode(chat(user, answer)) + [END]
        rows.append(ids)
        weights.append([size.prompt_weight] * len(instruction) + [1.0] * (len(ids) - 1 - len(instruction)))
    length = max(map(len, rows))
    ids = torch.tensor([row + [UNKNOWN] * (length - len(row)) for row in rows])
    return ids, torch.tensor([row + [0.0] * (length - 1 - len(row)) for row in weights])


def batch_loss(model, ids, weights, mixed):
    logits = model(ids[:, :-1], mixed=mixed)
    losses = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1), reduction="none")
    return (losses.view_as(weights) * weights).sum() / weights.sum()


def learning_rate(size, step, stage2_from):
    warm = min(1.0, (step + 1) / WARM_UP_STEPS)
    if stage2_from is None:
        return size.learning_rate * warm
    done = (step - stage2_from) / size.stage2_steps
    return size.learning_rate * warm * (LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * done)))


def fit(size, tokenizer, seed, log, narrow=None):
    """The trained model, weights rounded to bfloat16, or None when the seed is given up. `narrow`: folder of what it grows from."""
    torch.manual_seed(seed)
    model = Llama(make_config(size, BEGIN, END))
    optimizer = torch.optim.AdamW(model.parameters(), lr=size.learning_rate, betas=(0.9, 0.98),
                                  weight_decay=size.weight_decay)
    rng, started, step, stage2_from = random.Random(1000 + seed), time.time(), 0, None
    if narrow is not None:
        widen(load_checkpoint(narrow), model)
        stage2_from = 0
    while stage2_from is None or step < stage2_from + size.stage2_steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(size, step, stage2_from)
        loss = batch_loss(model, *make_batch(rng, tokenizer, size, size.stages[stage2_from is not None]), size.mixed)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % CHECK_EVERY == 0:
            check = quick_check(model, tokenizer, CHECK_COUNT)
            log(f"step {step} loss {loss.item():.3f} {time.time() - started:.0f} s  {format_check(check)}")
            at_limit = step >= size.stage1_most_steps
            if stage2_from is None and (passes_stage(check, size.stages[0].until) or at_limit and bound(check)):
                stage2_from = step
                log(f"stage 2 from step {step}")
            elif stage2_from is None and at_limit:
                log("given up: stage 1 did not end")
                return None
    round_weights(model)
    return model.eval()
