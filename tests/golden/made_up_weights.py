"""The weights of a made-up Llama model: the same numbers as tests/engine/made_up_model.cpp writes.

A weight is a hash of (seed, tensor, index), cut to a signed byte and scaled by a power of two: exact in float32,
float16 and bfloat16. So the golden files need no weights, and no random generator has to agree between languages.
"""

import numpy as np

MASK = (1 << 64) - 1
STEP = 0x9E3779B97F4A7C15


def _hash_of(name: str) -> int:  # FNV-1a
    h = 0xCBF29CE484222325
    for c in name.encode():
        h = ((h ^ c) * 0x100000001B3) & MASK
    return h


def _mix(x: np.ndarray) -> np.ndarray:  # the finish of SplitMix64; uint64 wraps around
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def made_up_tensor(seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """float64 values of one tensor, in C order."""
    count = int(np.prod(shape))
    start = (_hash_of(name) + seed * STEP) & MASK
    index = np.arange(1, count + 1, dtype=np.uint64)
    top = (_mix(np.uint64(start) + index * np.uint64(STEP)) >> np.uint64(56)).astype(np.uint8)
    byte = top.astype(np.int8).astype(np.int16)  # signed, with room for 128 + byte
    if "norm" in name:
        return ((128 + (byte >> 4)) / 128.0).reshape(shape)
    exponent = 9 if name == "model.embed_tokens.weight" else 6 + ((shape[-1] - 1).bit_length() + 1) // 2
    return (byte * 2.0**-exponent).reshape(shape)


def made_up_weights(config: dict, seed: int) -> dict[str, np.ndarray]:
    """All tensors of a model, by their names in a checkpoint."""
    hidden, ff, vocabulary = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, hidden)}
    for layer in range(config["num_hidden_layers"]):
        for name, shape in {
            "input_layernorm": (hidden,),
            "self_attn.q_proj": (queries, hidden),
            "self_attn.k_proj": (keys, hidden),
            "self_attn.v_proj": (keys, hidden),
            "self_attn.o_proj": (hidden, queries),
            "post_attention_layernorm": (hidden,),
            "mlp.gate_proj": (ff, hidden),
            "mlp.up_proj": (ff, hidden),
            "mlp.down_proj": (hidden, ff),
        }.items():
            shapes[f"model.layers.{layer}.{name}.weight"] = shape
    shapes["model.norm.weight"] = (hidden,)
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (vocabulary, hidden)
    return {name: made_up_tensor(seed, name, shape) for name, shape in shapes.items()}
