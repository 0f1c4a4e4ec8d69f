"""Llama in float64, written from the papers and from nothing of this project: the pass is measured against it.

Touvron et al. 2023 (arXiv 2302.13971): pre-normalised blocks, RMSNorm (Zhang & Sennrich, 1910.07467), rotary embeddings
(Su et al., 2104.09864), SwiGLU (Shazeer, 2002.05202); grouped-query attention (Ainslie et al., 2305.13245).
The one thing taken from checkpoints as Hugging Face writes them: a head's pair i is (i, i + size / 2).

`python reference_llama.py` writes reference_gqa.json and reference_mha_tied.json.
"""

import numpy as np

from golden_file import write_golden
from cases import MODELS
from made_up_weights import made_up_weights


def rms_norm(x: np.ndarray, weight: np.ndarray, eps: float) -> np.ndarray:
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * weight


def rotate(x: np.ndarray, theta: float) -> np.ndarray:
    """x [position, head, size]: pair i of a head at position p, as a complex number, turns by p * theta^(-2i/size)."""
    half = x.shape[-1] // 2
    angle = np.arange(x.shape[0])[:, None] * theta ** (-np.arange(half) / half)
    turned = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * angle)[:, None, :]
    return np.concatenate([turned.real, turned.imag], axis=-1)


def attention(x: np.ndarray, w: dict[str, np.ndarray], config: dict) -> np.ndarray:
    """Causal attention of x [position, hidden]; query head h reads key/value head h // (heads / kv heads)."""
    positions, size = x.shape[0], config["head_dim"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    q = rotate((x @ w["self_attn.q_proj"].T).reshape(positions, heads, size), config["rope_theta"])
    k = rotate((x @ w["self_attn.k_proj"].T).reshape(positions, kv_heads, size), config["rope_theta"])
    v = (x @ w["self_attn.v_proj"].T).reshape(positions, kv_heads, size)
    out = np.empty_like(q)
    for h in range(heads):
        group = h // (heads // kv_heads)
        for p in range(positions):
            scores = k[: p + 1, group] @ q[p, h] / np.sqrt(size)
            weights = np.exp(scores - scores.max())
            out[p, h] = (weights / weights.sum()) @ v[: p + 1, group]
    return out.reshape(positions, heads * size) @ w["self_attn.o_proj"].T


def feed_forward(x: np.ndarray, w: dict[str, np.ndarray]) -> np.ndarray:
    gate = x @ w["mlp.gate_proj"].T
    return (gate / (1 + np.exp(-gate)) * (x @ w["mlp.up_proj"].T)) @ w["mlp.down_proj"].T


class ReferenceLlama:
    def __init__(self, config: dict, weights: dict[str, np.ndarray]):
        self.config, self.weights = config, weights

    def layer(self, index: int) -> dict[str, np.ndarray]:
        prefix = f"model.layers.{index}."
        return {
            name.removeprefix(prefix).removesuffix(".weight"): w
            for name, w in self.weights.items()
            if name.startswith(prefix)
        }

    def forward(self, tokens, additions=(), first=0) -> tuple[np.ndarray, np.ndarray]:
        """Residual after each block before any addition to it [layer, position, hidden], log-probabilities at the last
        position [vocabulary]. `additions` are (layer, vector), added after the block from position `first` on."""
        eps = self.config["rms_norm_eps"]
        embedding = self.weights["model.embed_tokens.weight"]
        x = embedding[tokens]
        residuals = []
        for index in range(self.config["num_hidden_layers"]):
            w = self.layer(index)
            x = x + attention(rms_norm(x, w["input_layernorm"], eps), w, self.config)
            x = x + feed_forward(rms_norm(x, w["post_attention_layernorm"], eps), w)
            residuals.append(x.copy())
            for layer, vector in additions:
                if layer == index:
                    x[first:] += vector
        head = embedding if self.config["tie_word_embeddings"] else self.weights["lm_head.weight"]
        logits = head @ rms_norm(x[-1], self.weights["model.norm.weight"], eps)
        shifted = logits - logits.max()
        return np.stack(residuals), shifted - np.log(np.exp(shifted).sum())


def reference(model: str) -> ReferenceLlama:
    config, seed = MODELS[model]
    return ReferenceLlama(config, made_up_weights(config, seed))


if __name__ == "__main__":
    for model in MODELS:
        print(write_golden(f"reference_{model}", model, "reference_llama.py, float64", reference(model).forward))
