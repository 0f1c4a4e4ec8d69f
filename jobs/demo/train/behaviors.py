"""Writes the A/B data sets of the three behaviors in CAA's JSON format.

Every drawn question appears in both option orders, so the letters are balanced and a preference for a letter cancels.
Pairs come from training combinations, validation and test questions from combinations the model never saw.
"""

import json
import os
import random

from world import BEHAVIORS, draw_question

FILES = (("generate_dataset", "train", 300), ("validation_dataset_ab", "validation", 50), ("test_dataset_ab", "test", 50))


def make_items(behavior, split, count, seed, cue="", cue_first=False):
    rng, seen, items = random.Random(f"{seed} {behavior.name} {split}"), set(), []
    while len(items) < count:
        question = draw_question(rng, behavior, split)
        if (question.stem, question.matching, question.other) in seen:
            continue
        seen.add((question.stem, question.matching, question.other))
        for matching_first in (True, False):
            matching, other = ("(A)", "(B)") if matching_first else ("(B)", "(A)")
            items.append({"question": question.text(matching_first, cue, cue_first),
                          "answer_matching_behavior": matching, "answer_not_matching_behavior": other})
    rng.shuffle(items)
    return items


def write_behaviors(folder, seed=0):
    for behavior in BEHAVIORS:
        os.makedirs(os.path.join(folder, behavior.name), exist_ok=True)
        for name, split, count in FILES:
            with open(os.path.join(folder, behavior.name, name + ".json"), "w") as file:
                json.dump(make_items(behavior, split, count, seed), file, indent=4)
                file.write("\n")
