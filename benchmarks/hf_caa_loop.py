#!/usr/bin/env python3
"""The rivals: steered sweeps as one writes them with Hugging Face transformers. Run by hand, by run.sh and by gpu_check.sh
where torch and transformers are installed; prints a table and writes JSON. Prompts and vectors are random, of the sizes
forks_bench and `steergrid bench` use.

  loop     as nrimsky/CAA runs it: one forward a question, layer and coefficient, batch 1, a forward hook that adds the
           vector from the instruction end on
  batched  the same forwards, many cells of one question at a time, a hook a layer that adds each row's own vector
  cached   the strongest made by hand: a question's prompt once, its keys and values repeated over the batch, and for
           each cell only the steered tokens; as above otherwise. The last two take logits of the last position only.

Before the clock, the three must agree on a few cells. Full-grid times are seconds a cell x cells of the grid.

usage: hf_caa_loop.py MODEL [--device cuda] ...      MODEL: a checkpoint folder, random:llama-2-7b or random:llama-2-13b
"""

import argparse
import contextlib
import copy
import json
import random
import time
from pathlib import Path

import torch
import transformers

STEERED = 2
LETTERS = [319, 350]
COEFFICIENTS = [-4, -2, -1, -0.5, 0.5, 1, 2, 4]
SHAPES = {"random:llama-2-7b": (32, 4096, 11008, 32), "random:llama-2-13b": (40, 5120, 13824, 40)}
TOLERANCE = {"float32": 1e-3, "float16": 0.1, "bfloat16": 0.5}  # of log-probabilities, between batch sizes


def load(name, dtype, device):
    if name not in SHAPES:
        return transformers.LlamaForCausalLM.from_pretrained(name, torch_dtype=dtype).to(device).eval()
    layers, hidden, inner, heads = SHAPES[name]
    config = transformers.LlamaConfig(num_hidden_layers=layers, hidden_size=hidden, intermediate_size=inner,
                                      num_attention_heads=heads, num_key_value_heads=heads, vocab_size=32000)
    torch.set_default_dtype(dtype)
    on_device = torch.device(device) if hasattr(torch.device, "__enter__") else contextlib.nullcontext()
    with on_device:
        return transformers.LlamaForCausalLM(config).to(device).eval()


def add_to(output, addend, start):
    """Adds in place to a block's output from position `start` on, as the reference's wrapper does."""
    hidden = output[0] if isinstance(output, tuple) else output
    hidden[:, start:] += addend
    return output


def letters_of(logits):
    return torch.log_softmax(logits.float(), -1)[..., LETTERS]


class Loop:
    """One forward a cell."""

    def __init__(self, model, vectors):
        self.model, self.vectors, self.calls = model, vectors, 0

    def run(self, prompt, cells):
        return torch.stack([self.one(prompt, layer, coefficient) for layer, coefficient in cells])

    def one(self, prompt, layer, coefficient):
        start = prompt.shape[1] - STEERED
        addend = coefficient * self.vectors[layer]
        handle = self.model.model.layers[layer].register_forward_hook(lambda _m, _i, out: add_to(out, addend, start))
        logits = self.model(prompt, use_cache=False).logits[0, -1]
        handle.remove()
        self.calls += 1
        return letters_of(logits)


class Batched:
    """Many cells of a question a forward; each layer's hook adds that layer's vector times the rows' coefficients,
    which are 0 in rows of other layers."""

    def __init__(self, model, vectors, batch):
        self.model, self.vectors, self.batch, self.calls = model, vectors, batch, 0

    def run(self, prompt, cells):
        parts = [cells[i : i + self.batch] for i in range(0, len(cells), self.batch)]
        return torch.cat([self.part(prompt, part) for part in parts])

    def part(self, prompt, cells):
        with self.steered(cells, prompt.shape[1] - STEERED):
            return self.forward(prompt.expand(len(cells), -1), use_cache=False)

    @contextlib.contextmanager
    def steered(self, cells, start):
        handles = []
        for layer in sorted({layer for layer, _ in cells}):
            rows = torch.tensor([c if at == layer else 0 for at, c in cells]).to(self.vectors)
            addend = rows[:, None, None] * self.vectors[layer]
            hook = lambda _m, _i, out, addend=addend: add_to(out, addend, start)
            handles.append(self.model.model.layers[layer].register_forward_hook(hook))
        yield
        for handle in handles:
            handle.remove()

    def forward(self, ids, **options):
        self.calls += 1
        hidden = self.model.model(ids, **options).last_hidden_state
        return letters_of(self.model.lm_head(hidden[:, -1]))


class Cached(Batched):
    """The prompt's keys and values once; of each cell its steered tokens only."""

    def run(self, prompt, cells):
        shared = prompt.shape[1] - STEERED
        empty = transformers.DynamicCache() if hasattr(transformers, "DynamicCache") else None
        cache = self.model.model(prompt[:, :shared], use_cache=True, past_key_values=empty).past_key_values
        self.calls += 1
        found, repeated = [], None
        for i in range(0, len(cells), self.batch):
            part = cells[i : i + self.batch]
            if repeated is None or len(part) != repeated[0]:
                repeated = (len(part), self.repeat(cache, len(part), last=i + self.batch >= len(cells)))
            with self.steered(part, 0):
                found.append(self.forward(prompt[:, shared:].expand(len(part), -1), use_cache=True,
                                          past_key_values=repeated[1]))
            if not isinstance(repeated[1], tuple):
                repeated[1].crop(-STEERED)  # a cache object took in the cells' own tokens
        return torch.cat(found)

    def repeat(self, cache, times, last):
        if isinstance(cache, tuple):  # transformers before 4.36: tensors that a forward leaves as they are
            return tuple((k.expand(times, -1, -1, -1), v.expand(times, -1, -1, -1)) for k, v in cache)
        if not last:
            cache = copy.deepcopy(cache)
        cache.batch_repeat_interleave(times)
        return cache


def check(rivals, prompt, cells, tolerance):
    """That the rivals give what the loop gives; returns the largest difference."""
    expected = rivals["loop"].run(prompt, cells)
    worst = max((rival.run(prompt, cells) - expected).abs().max().item() for rival in rivals.values())
    if not worst < tolerance:
        raise SystemExit(f"the rivals differ by {worst} in log-probabilities, expected less than {tolerance}")
    return worst


def clock(device):
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter()


def measure(rival, prompts, cells, sample, seconds, device):
    """Times at least `sample` forwards, or, where these take longer than `seconds`, as many cells: whole questions; of the
    loop one cell a question, spread over the grid."""
    rival.run(prompts[0], cells[: max(5, getattr(rival, "batch", 0))])
    rival.calls, timed, question = 0, 0, 0
    start = clock(device)
    while rival.calls < sample and (timed < sample or clock(device) - start < seconds):
        part = [cells[question * 57 % len(cells)]] if isinstance(rival, Loop) else cells
        rival.run(prompts[question % len(prompts)], part)
        timed, question = timed + len(part), question + 1
    return clock(device) - start, timed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--dtype", default="float32", choices=list(TOLERANCE))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--sample", type=int, default=200, help="forwards to time of each rival, at least")
    parser.add_argument("--seconds", type=float, default=30, help="where these take longer, as many cells are enough")
    parser.add_argument("--batch", type=int, default=64, help="cells in a forward of the batched rivals")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = load(args.model, getattr(torch, args.dtype), args.device)
    config, rng = model.config, random.Random(3)
    prompts = [torch.tensor([[rng.randrange(config.vocab_size) for _ in range(90 + rng.randrange(21))]]).to(args.device)
               for _ in range(args.questions)]
    torch.manual_seed(5)
    vectors = (0.1 * torch.randn(config.num_hidden_layers, config.hidden_size)).to(model.lm_head.weight)
    cells = [(layer, c) for layer in range(config.num_hidden_layers) for c in COEFFICIENTS]
    rivals = {"loop": Loop(model, vectors), "batched": Batched(model, vectors, args.batch),
              "cached": Cached(model, vectors, args.batch)}
    in_grid = args.questions * (len(cells) + 1)  # and the baseline
    found = {"torch": torch.__version__, "transformers": transformers.__version__, "model": args.model,
             "device": torch.cuda.get_device_name(args.device) if args.device.startswith("cuda") else "cpu",
             "dtype": args.dtype, "threads": args.threads, "batch": args.batch, "cells_in_grid": in_grid, "rivals": {}}
    with torch.no_grad():
        found["largest_difference"] = check(rivals, prompts[0], cells[:: max(1, len(cells) // 6)], TOLERANCE[args.dtype])
        for name, rival in rivals.items():
            seconds, timed = measure(rival, prompts, cells, args.sample, args.seconds, args.device)
            found["rivals"][name] = {"cells_timed": timed, "calls_timed": rival.calls, "seconds_per_cell": seconds / timed,
                                     "grid_seconds_sample_times_count": seconds / timed * in_grid}
    print(f"transformers {found['transformers']}, torch {found['torch']}, {found['device']}, {args.dtype}, batch {args.batch}\n")
    print(f"| rival | cells timed | in calls | s a cell | whole grid, s (sample x {in_grid} cells) |\n|---|---|---|---|---|")
    for name, r in found["rivals"].items():
        print(f"| {name} | {r['cells_timed']} | {r['calls_timed']} | {r['seconds_per_cell']:.5f} "
              f"| {r['grid_seconds_sample_times_count']:.1f} |")
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
