"""CAA to the token, in plain torch: prompts, vectors, steering, A/B probabilities.

Shared by the gate (which watches training) and by evaluate.py (which reads the files like any other tool). A pair is a
JSON item of a behavior: question, answer_matching_behavior, answer_not_matching_behavior.
"""

import torch

from world import chat

INSTRUCTION_END = "[/INST]"


class Prompt:
    """A tokenized text and the index of the token that holds the last character of the last "[/INST]"."""

    def __init__(self, tokenizer, text):
        self.ids = [tokenizer.bos_id()] + tokenizer.encode(text)
        head = [tokenizer.bos_id()] + tokenizer.encode(text[:text.rindex(INSTRUCTION_END) + len(INSTRUCTION_END)])
        assert self.ids[:len(head)] == head
        self.instruction_end = len(head) - 1


def pad(prompts):
    """Right-padded ids [B T]: causal attention never sees the padding."""
    ids = torch.zeros(len(prompts), max(len(p.ids) for p in prompts), dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, :len(prompt.ids)] = torch.tensor(prompt.ids)
    return ids


def answer_prompts(tokenizer, items, key):
    return [Prompt(tokenizer, chat(item["question"], item[key])) for item in items]


def question_prompts(tokenizer, items):
    return [Prompt(tokenizer, chat(item["question"], "(")) for item in items]


def residuals(model, prompts, back):
    """Per layer the residual after the block at the token `back` from the end: [L B D]."""
    taps = []
    model(pad(prompts), tap=taps)
    last = torch.tensor([len(p.ids) - back for p in prompts])
    return torch.stack([tap[torch.arange(len(prompts)), last] for tap in taps])


def mean_difference(model, tokenizer, pairs):
    """Raw CAA vectors [L D], and per layer |mean difference| / mean |difference|."""
    prompts = [answer_prompts(tokenizer, pairs, key)
               for key in ("answer_matching_behavior", "answer_not_matching_behavior")]
    matching, other = (residuals(model, p, back=2) for p in prompts)  # index -2: the answer letter
    differences = matching - other
    vectors = differences.mean(1)
    return vectors, vectors.norm(dim=1) / differences.norm(dim=2).mean(1)


def normalize_over_behaviors(vectors):
    """{behavior: [L D]}: per layer every vector gets the mean norm over the behaviors."""
    mean_norm = torch.stack([v.norm(dim=1) for v in vectors.values()]).mean(0)
    return {name: v * (mean_norm / v.norm(dim=1))[:, None] for name, v in vectors.items()}


def letter_probabilities(model, tokenizer, prompts, layer=None, added=None):
    """Probabilities of the pieces A and B at the last token, over the whole vocabulary: [B 2].

    With a layer, `added` goes into the residual after that block at every token from the instruction's end on:
    [D], the same everywhere, or [P D], one row for each of the last P tokens.
    """
    ids, steer = pad(prompts), None
    if layer is not None:
        addition = torch.zeros(*ids.shape, added.shape[-1])
        for row, prompt in enumerate(prompts):
            addition[row, prompt.instruction_end:len(prompt.ids)] = added
        steer = (layer, addition)
    logits = model(ids, steer=steer)
    last = logits[torch.arange(len(prompts)), torch.tensor([len(p.ids) - 1 for p in prompts])]
    letters = [tokenizer.piece_to_id(letter) for letter in "AB"]
    return last.softmax(-1)[:, letters]


def score(probabilities, items):
    """(mean of p_match / (p_A + p_B), mean of p_A + p_B)."""
    index = torch.tensor([0 if "A" in item["answer_matching_behavior"] else 1 for item in items])
    matching = probabilities[torch.arange(len(items)), index]
    mass = probabilities.sum(1)
    return (matching / mass).mean().item(), mass.mean().item()
