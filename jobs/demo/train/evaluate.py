"""The CAA sweep in plain torch over the demo's files: an independent check of the C++ tool.

Reads one of models/ and behaviors/ like any other tool, widens the bfloat16 weights to float32, makes the vectors,
steers every layer with every coefficient and prints the mean P(matching) = p_match / (p_A + p_B) with the mean of p_A + p_B beside.

    python evaluate.py --model models/demo-0.8m   # test questions, vectors normalised as CAA does
    python evaluate.py --normalize none           # raw vectors
    python evaluate.py --questions validation_dataset_ab --dump items.json
"""

import argparse
import json
import os

import sentencepiece
import torch

from caa import letter_probabilities, mean_difference, normalize_over_behaviors, question_prompts, score
from llama import load_checkpoint
from sizes import COEFFICIENTS

NAMES = ("refusal", "sycophancy", "corrigible")


def read_items(folder, behavior, name):
    with open(os.path.join(folder, "behaviors", behavior, name + ".json")) as file:
        return json.load(file)


def sweep_behavior(model, tokenizer, items, vectors, coefficients):
    """{layer: {coefficient: probabilities [items, 2]}}."""
    prompts = question_prompts(tokenizer, items)
    return {layer: {c: letter_probabilities(model, tokenizer, prompts, layer, c * vector) for c in coefficients}
            for layer, vector in enumerate(vectors)}


def print_table(behavior, cells, items, coefficients):
    print(f"{behavior}: P(matching) / p_A + p_B")
    print("layer " + "".join(f"{c:>12g}" for c in coefficients))
    for layer, row in cells.items():
        scores = [score(row[c], items) for c in coefficients]
        print(f"{layer:>5} " + "".join(f"   {p:.3f}/{mass:.2f}" for p, mass in scores))


def dump(path, vectors, results):
    """Per item: {behavior: {"vectors": [layer][hidden], "cells": [{layer, coefficient, a, b}]}}, a and b lists."""
    document = {}
    for name, cells in results.items():
        document[name] = {
            "vectors": vectors[name].tolist(),
            "cells": [{"layer": layer, "coefficient": c, "a": p[:, 0].tolist(), "b": p[:, 1].tolist()}
                      for layer, row in cells.items() for c, p in row.items()]}
    with open(path, "w") as file:
        json.dump(document, file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--demo", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    parser.add_argument("--model", default="models/demo-0.3m")
    parser.add_argument("--questions", default="test_dataset_ab")
    parser.add_argument("--normalize", choices=("none", "behaviors"), default="behaviors")
    parser.add_argument("--coefficients", type=float, nargs="+", default=COEFFICIENTS)
    parser.add_argument("--dump", help="write the vectors used and every item's probabilities to this JSON file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    folder = os.path.join(arguments.demo, arguments.model)
    model = load_checkpoint(folder)
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=os.path.join(folder, "tokenizer.model"))
    with torch.no_grad():
        made = {name: mean_difference(model, tokenizer, read_items(arguments.demo, name, "generate_dataset"))
                for name in NAMES}
        vectors = {name: raw for name, (raw, _) in made.items()}
        for name, (raw, agreement) in made.items():
            print(f"{name}: |v| by layer {[round(x, 2) for x in raw.norm(dim=1).tolist()]}, "
                  f"agreement {[round(x, 2) for x in agreement.tolist()]}")
        if arguments.normalize == "behaviors":
            vectors = normalize_over_behaviors(vectors)
        results = {}
        for name in NAMES:
            items = read_items(arguments.demo, name, arguments.questions)
            results[name] = sweep_behavior(model, tokenizer, items, vectors[name], arguments.coefficients)
            print_table(name, results[name], items, arguments.coefficients)
    if arguments.dump:
        dump(arguments.dump, vectors, results)


if __name__ == "__main__":
    main()
