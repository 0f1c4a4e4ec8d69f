"""Widens a trained model without changing what it computes (Net2Net, arXiv 1511.05641; a residual stream and heads too).

Every hidden unit, head and feed-forward unit of the wide model copies one of the narrow one. A matrix that reads k copies
of a unit divides its weight among them and adds noise that sums to zero over the copies: while they agree, it has no
effect; as their readers differ, training soon takes them apart. Norms do not notice, if all hidden units have equally
many copies. Called by fit.py for sizes that are grown (see sizes.py).
"""

import torch

NOISE = 0.5  # standard deviation, in those of the divided weights


def copied_from(wide, narrow):
    """For each of `wide` units the unit it copies: whole rounds, so heads stay together."""
    return torch.arange(wide) % narrow


def read_by(weight, width):
    """[out in] -> [out width], which reads copies of the inputs."""
    source = copied_from(width, weight.shape[1])
    copies = source.bincount()[source]
    divided = weight[:, source] / copies
    noise = torch.randn_like(divided) * divided.std() * NOISE
    mean = torch.zeros_like(weight).index_add_(1, source, noise)[:, source] / copies
    return divided + noise - mean


def widened(name, weight, shape):
    if weight.dim() == 1 or "embed" in name:
        return weight[..., copied_from(shape[-1], weight.shape[-1])]
    return read_by(weight[copied_from(shape[0], weight.shape[0])], shape[1])


def widen(narrow, wide):
    """Overwrites the weights of `wide`, which has as many layers, heads as large and hidden units k times as many."""
    weights = narrow.state_dict()
    wide.load_state_dict({name: widened(name, weights[name], value.shape) for name, value in wide.state_dict().items()})
