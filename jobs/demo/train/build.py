"""Makes everything of the demo anew: tokenizer, data sets, model. Tries seeds in order until one passes the gate.

    python build.py --size 0.3m --into ..
The log says every seed tried and why it was refused.
"""

import argparse
import os

import sentencepiece
import torch

from behaviors import write_behaviors
from fit import fit
from gate import full_check
from llama import save_checkpoint
from sizes import SIZES
from tokenizer import check_tokenizer, train_tokenizer


def make_tokenizer(folder, vocabulary):
    """Every model folder holds the same file, so that each is complete; training it is deterministic."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "tokenizer.model")
    train_tokenizer(path, vocabulary)
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=path)
    check_tokenizer(tokenizer)
    return tokenizer


def first_accepted(size, tokenizer, seeds, log, refused_folder, narrow):
    for tried, seed in enumerate(seeds, 1):
        log(f"seed {seed}")
        model = fit(size, tokenizer, seed, log, narrow)
        if model is not None and full_check(model, tokenizer, size.coefficient, log):
            log(f"accepted: seed {seed}, {tried} seeds tried")
            return model
        if model is not None and refused_folder:
            save_checkpoint(model, os.path.join(refused_folder, f"seed-{seed}"))
    raise SystemExit(f"no seed of {list(seeds)} passed the gate")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", choices=SIZES, default="0.3m")
    parser.add_argument("--into", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    parser.add_argument("--keep-refused", help="a folder for the checkpoints the gate refuses, to look at")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--most-seeds", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(True)
    size = SIZES[arguments.size]
    models = os.path.join(arguments.into, "models")
    folder = os.path.join(models, f"demo-{arguments.size}")
    with open(os.path.join(arguments.into, "train", f"log-{arguments.size}.txt"), "a") as file:
        def log(line):
            print(line, flush=True)
            print(line, file=file, flush=True)

        log(f"size {arguments.size}: {size}")
        write_behaviors(os.path.join(arguments.into, "behaviors"))
        tokenizer = make_tokenizer(folder, size.vocabulary)
        seeds = range(arguments.first_seed, arguments.first_seed + arguments.most_seeds)
        narrow = os.path.join(models, f"demo-{size.grown_from}") if size.grown_from else None
        model = first_accepted(size, tokenizer, seeds, log, arguments.keep_refused, narrow)
        log(f"{sum(p.numel() for p in model.parameters())} parameters")
        save_checkpoint(model, folder)


if __name__ == "__main__":
    main()
