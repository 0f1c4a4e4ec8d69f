#!/usr/bin/env python3
"""The CAA loop as nrimsky/CAA runs it, on Hugging Face transformers: one forward a question, layer and coefficient,
batch 1, the vector added by a forward hook from the instruction end on. Run by hand where torch and transformers are
installed; prints JSON. Prompts and vectors are random, of the sizes forks_bench uses.

usage: hf_caa_loop.py MODEL_FOLDER [--dtype float32|bfloat16] [--threads 2] [--questions 20] [--sample 200]
"""

import argparse
import json
import random
import time

import torch
import transformers

STEERED = 2
COEFFICIENTS = [-4, -2, -1, -0.5, 0.5, 1, 2, 4]


def steering_hook(vector, start):
    """Adds `vector` to the block's output from position `start` on, in place, as the reference's wrapper does."""

    def hook(_module, _inputs, output):
        hidden = output[0] if isinstance(output, tuple) else output
        hidden[:, start:] += vector
        return output

    return hook


def time_forwards(model, prompts, vectors, sample):
    """Seconds for `sample` steered forwards, cells spread over layers and coefficients as forks_bench spreads them."""
    layers = model.model.layers
    start = time.perf_counter()
    for i in range(sample):
        ids = prompts[i % len(prompts)]
        layer = (i * 7) % len(layers)
        vector = COEFFICIENTS[i % len(COEFFICIENTS)] * vectors[layer]
        handle = layers[layer].register_forward_hook(steering_hook(vector, ids.shape[1] - STEERED))
        with torch.no_grad():
            logits = model(ids, use_cache=False).logits[0, -1].float()
        torch.log_softmax(logits, -1)[[319, 350]]
        handle.remove()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--sample", type=int, default=200)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = transformers.LlamaForCausalLM.from_pretrained(args.model, torch_dtype=getattr(torch, args.dtype)).eval()
    config = model.config
    rng = random.Random(3)
    prompts = [
        torch.tensor([[rng.randrange(config.vocab_size) for _ in range(90 + rng.randrange(21))]])
        for _ in range(args.questions)
    ]
    torch.manual_seed(5)
    vectors = 0.1 * torch.randn(config.num_hidden_layers, config.hidden_size).to(model.dtype)
    time_forwards(model, prompts, vectors, 5)
    seconds = time_forwards(model, prompts, vectors, args.sample)
    forwards = args.questions * (config.num_hidden_layers * len(COEFFICIENTS) + 1)
    print(
        json.dumps(
            {
                "rival": "transformers CAA loop, batch 1",
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "dtype": args.dtype,
                "threads": args.threads,
                "forwards_timed": args.sample,
                "seconds_per_forward": seconds / args.sample,
                "forwards_in_grid": forwards,
                "grid_seconds_sample_times_count": seconds / args.sample * forwards,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
