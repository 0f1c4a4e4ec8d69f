"""Prints the README's tables for one model: the layers chosen on the validation questions with their effect on the test
questions, and the effect at every layer. An independent check of `steergrid report`, in plain torch.

    python report.py --model models/demo-0.8m
"""

import argparse
import os

import sentencepiece
import torch

from caa import mean_difference, normalize_over_behaviors, score
from evaluate import NAMES, read_items, sweep_behavior
from llama import load_checkpoint

DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
REPORTED = (1.0, 2.0)


def effect(row, c, items):
    """Difference of P(matching) between +c and -c."""
    return score(row[c], items)[0] - score(row[-c], items)[0]


def print_effects(results, validation, questions):
    print("| behavior | c | layer chosen | at -c | at 0 | at +c | difference |\n|---|---|---|---|---|---|---|")
    for name, cells in results.items():
        for c in REPORTED:
            layer = max(cells, key=lambda layer: effect(validation[name][0][layer], c, validation[name][1]))
            row, items = cells[layer], questions[name]
            columns = [f"{p:.3f} ({mass:.2f})" for p, mass in (score(row[x], items) for x in (-c, 0.0, c))]
            print(f"| {name} | {c:g} | {layer} | {' | '.join(columns)} | {effect(row, c, items):+.3f} |")


def print_layers(results, questions):
    """Every layer: the difference, and in brackets the smaller of the two masses."""
    layers = list(next(iter(results.values())))
    print("\n| behavior, c | " + " | ".join(f"layer {layer}" for layer in layers) + " |\n" + "|---" * (len(layers) + 1) + "|")
    for name, cells in results.items():
        for c in REPORTED:
            masses = [min(score(cells[layer][sign * c], questions[name])[1] for sign in (1, -1)) for layer in layers]
            print(f"| {name}, {c:g} | " + " | ".join(f"{effect(cells[layer], c, questions[name]):+.2f} ({mass:.2f})"
                                                     for layer, mass in zip(layers, masses)) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="models/demo-0.3m")
    folder = os.path.join(DEMO, parser.parse_args().model)
    torch.set_num_threads(1)
    model = load_checkpoint(folder)
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=os.path.join(folder, "tokenizer.model"))
    with torch.no_grad():
        raw = {name: mean_difference(model, tokenizer, read_items(DEMO, name, "generate_dataset"))[0] for name in NAMES}
        vectors = normalize_over_behaviors(raw)
        swept, validation = {}, {}
        coefficients = [sign * c for c in (0.0, *REPORTED) for sign in (1, -1)]
        for name in NAMES:
            chooses = read_items(DEMO, name, "validation_dataset_ab")
            swept[name] = sweep_behavior(model, tokenizer, read_items(DEMO, name, "test_dataset_ab"), vectors[name], coefficients)
            validation[name] = sweep_behavior(model, tokenizer, chooses, vectors[name], coefficients), chooses
        questions = {name: read_items(DEMO, name, "test_dataset_ab") for name in NAMES}
    print_effects(swept, validation, questions)
    print_layers(swept, questions)


if __name__ == "__main__":
    main()
