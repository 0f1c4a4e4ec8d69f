"""The table of model sizes, of training schedules, and the numbers fixed in advance.

A size is one entry of SIZES; `build.py --size NAME` trains it. Sizes grow in width and keep their depth: every further
layer is another place where the decision can be settled before steering reaches it. Steps are batches of documents; turn
kinds are explained in world.py, the stages in README.md.
"""

from dataclasses import dataclass, field
from typing import Optional


@dataclass(frozen=True)
class Stage:
    kinds: dict  # share of each turn kind
    cued: dict  # share of the turns of a kind that carry a cue
    label_flips: float = 0.0  # share of the turns answered against the cue
    slips: Optional[float] = None  # share of the "dir" turns whose letter and option do not belong together
    until: str = ""  # the diagnostic that ends the stage: pre or cue


# Stage 1: everything is cued, so options are bound to letters and the decision is taken at the instruction's end.
BIND = Stage(
    kinds=dict(none=0.1, free=0.25, pre=0.26, dir=0.195, txt=0.195),
    cued=dict(none=0.8, free=0.8, pre=0.8, dir=0.8, txt=0.8),
    label_flips=0.03,
    slips=0.0,
    until="cue",
)
# Stage 2: most "dir" and "pre" turns lose the cue, so a letter has to stand for its option's trait. The slips keep that
# evidence, and with it the steering vector, from growing far beyond the residual.
READ_TRAIT = Stage(
    kinds=dict(none=0.05, free=0.15, pre=0.25, dir=0.38, txt=0.17),
    cued=dict(none=0.9, free=0.9, pre=0.1, dir=0.1, txt=0.8),
    label_flips=0.03,
    slips=0.12,
)


@dataclass(frozen=True)
class Size:
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    learning_rate: float
    stage1_most_steps: int  # a seed whose cues are not bound by then is given up
    stage2_steps: int
    grown_from: str = ""  # the size it is a widened copy of when stage 2 begins; empty: trained from nothing
    batch: int = 48
    vocabulary: int = 640
    positions: int = 128
    norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    weight_decay: float = 0.1
    prompt_weight: float = 0.1
    tied: bool = False
    mixed: bool = False  # products in bfloat16, everything else in float32
    coefficient: float = 1.0  # at which the gate wants steering; fixed before the size's first model was trained
    distractors: float = 0.15  # chance, for each other behavior, that a cued turn also carries its cue
    stages: tuple = field(default=(BIND, READ_TRAIT))


SIZES = {
    "0.3m": Size(hidden=64, intermediate=192, layers=4, heads=4, kv_heads=4, learning_rate=4e-3,
                 stage1_most_steps=1500, stage2_steps=700, coefficient=2.0),
    "0.8m": Size(hidden=128, intermediate=256, layers=4, heads=4, kv_heads=4, learning_rate=3e-3,
                 stage1_most_steps=1000, stage2_steps=350, mixed=True),
    "3m": Size(hidden=256, intermediate=512, layers=4, heads=8, kv_heads=8, learning_rate=1e-3,
               stage1_most_steps=0, stage2_steps=100, grown_from="0.8m", mixed=True),
}

COEFFICIENTS = (-4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0)
