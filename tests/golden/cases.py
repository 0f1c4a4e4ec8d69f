"""What the golden files hold: models, prompts, contrast pairs and steered cells. Token ids only."""

_COMMON = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_act": "silu",
    "num_hidden_layers": 4,
    "hidden_size": 64,
    "intermediate_size": 172,
    "vocab_size": 96,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
}

# name -> (config, seed of the weights)
MODELS = {
    "gqa": (
        {**_COMMON, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 8, "tie_word_embeddings": False},
        7,
    ),
    # Multi-head attention, tied embeddings, and a head size that is not hidden / heads.
    "mha_tied": (
        {**_COMMON, "num_attention_heads": 6, "num_key_value_heads": 6, "head_dim": 12, "tie_word_embeddings": True},
        11,
    ),
}

PROMPTS = [
    [1, 17, 80, 3, 44, 44, 9, 61, 2, 95, 30, 12],
    [1, 5, 71, 0, 23, 66, 5],
    [1],  # the shortest: nothing to attend to but itself
]

# The two members of a pair share all but the last two tokens; their residuals are read at the last but one.
TAP_FROM_END = 2
_LETTERS = ([40, 13], [41, 13])
PAIRS = [
    {"matching": stem + _LETTERS[i % 2], "not_matching": stem + _LETTERS[1 - i % 2]}
    for i, stem in enumerate(
        [
            [1, 50, 9, 77, 31, 8, 20],
            [1, 14, 62, 62, 90, 3, 55, 28, 8, 20],
            [1, 33, 8, 20],
            [1, 70, 19, 45, 6, 11, 87, 36, 52, 8, 20],
            [1, 88, 27, 4, 8, 20],
        ]
    )
]

# coefficient * vectors[vector] is added after block `layer` at every position from `from` on.
CELLS = [
    {"prompt": 0, "from": 4, "additions": [{"layer": 0, "vector": 0, "coefficient": 1.5}]},
    {"prompt": 0, "from": 4, "additions": [{"layer": 1, "vector": 1, "coefficient": -2.0}]},
    {"prompt": 0, "from": 9, "additions": [{"layer": 2, "vector": 2, "coefficient": 1.0}]},
    {"prompt": 0, "from": 11, "additions": [{"layer": 3, "vector": 3, "coefficient": 0.5}]},
    {"prompt": 1, "from": 0, "additions": [{"layer": 1, "vector": 1, "coefficient": 1.0}]},
    {"prompt": 1, "from": 0, "additions": [{"layer": 0, "vector": 3, "coefficient": -0.75}]},
    {
        "prompt": 1,
        "from": 5,
        "additions": [
            {"layer": 0, "vector": 0, "coefficient": 1.0},
            {"layer": 2, "vector": 2, "coefficient": -1.0},
        ],
    },
    {
        "prompt": 0,
        "from": 0,
        "additions": [{"layer": layer, "vector": layer, "coefficient": 0.5} for layer in range(4)],
    },
    {"prompt": 2, "from": 0, "additions": [{"layer": 1, "vector": 1, "coefficient": 2.0}]},
    {"prompt": 0, "from": 3, "additions": [{"layer": 1, "vector": 1, "coefficient": 0.0}]},
]
