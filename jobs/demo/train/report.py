"""Prints the README's tables: the layer chosen on the validation questions, its effect on the test questions at the
coefficient fixed in advance, and the whole test grid.

    python report.py > table.md
"""

import os

import sentencepiece
import torch

from caa import mean_difference, normalize_over_behaviors, score
from evaluate import NAMES, read_items, sweep_behavior
from llama import load_checkpoint
from sizes import COEFFICIENTS, REPORT_COEFFICIENT

DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


def chosen_layer(cells, items):
    """The layer with the largest P(matching) difference between +c and -c."""
    c = REPORT_COEFFICIENT
    return max(cells, key=lambda layer: score(cells[layer][c], items)[0] - score(cells[layer][-c], items)[0])


def effect_row(name, layer, cells, items):
    c = REPORT_COEFFICIENT
    (low, low_mass), (zero, _), (high, high_mass) = (score(cells[layer][x], items) for x in (-c, 0.0, c))
    return f"| {name} | {layer} | {low:.3f} ({low_mass:.2f}) | {zero:.3f} | {high:.3f} ({high_mass:.2f}) | {high - low:+.3f} |"


def print_grid(results, questions):
    print("| behavior, layer | " + " | ".join(f"{c:g}" for c in COEFFICIENTS) + " |")
    print("|---" * (len(COEFFICIENTS) + 1) + "|")
    for name, cells in results.items():
        for layer, row in cells.items():
            scores = [score(row[c], questions[name]) for c in COEFFICIENTS]
            print(f"| {name} {layer} | " + " | ".join(f"{p:.2f} ({mass:.2f})" for p, mass in scores) + " |")


def main():
    torch.set_num_threads(1)
    folder = os.path.join(DEMO, "model")
    model = load_checkpoint(folder)
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=os.path.join(folder, "tokenizer.model"))
    with torch.no_grad():
        raw = {name: mean_difference(model, tokenizer, read_items(DEMO, name, "generate_dataset"))[0] for name in NAMES}
        vectors = normalize_over_behaviors(raw)
        questions = {name: read_items(DEMO, name, "test_dataset_ab") for name in NAMES}
        results = {name: sweep_behavior(model, tokenizer, questions[name], vectors[name], COEFFICIENTS) for name in NAMES}
        c = REPORT_COEFFICIENT
        print(f"| behavior | layer chosen | -{c:g} | 0 | +{c:g} | difference |\n|---|---|---|---|---|---|")
        for name in NAMES:
            validation = read_items(DEMO, name, "validation_dataset_ab")
            cells = sweep_behavior(model, tokenizer, validation, vectors[name], (-c, c))
            print(effect_row(name, chosen_layer(cells, validation), results[name], questions[name]))
    print()
    print_grid(results, questions)


if __name__ == "__main__":
    main()
