"""A plain torch Llama (Hugging Face semantics and tensor names), its initialisation, and its checkpoint files.

RoPE in the half-rotation layout, RMSNorm with epsilon inside the root, SwiGLU, grouped key/value heads.
"After block L" is the residual stream behind the MLP of block L, before the final norm.
"""

import json
import math
import os

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file, save_file


def make_config(size, begin, end):
    """What Hugging Face's LlamaConfig would write for a Size of sizes.py."""
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "hidden_size": size.hidden, "intermediate_size": size.intermediate, "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads, "num_key_value_heads": size.kv_heads, "vocab_size": size.vocabulary,
        "max_position_embeddings": size.positions, "rms_norm_eps": size.norm_eps, "rope_theta": size.rope_theta,
        "rope_scaling": None, "attention_bias": False, "attention_dropout": 0.0, "initializer_range": 0.02,
        "tie_word_embeddings": size.tied, "torch_dtype": "bfloat16", "use_cache": True, "bos_token_id": begin,
        "eos_token_id": end,
    }


class Normalize(torch.autograd.Function):
    """x / root mean square of x. By hand, because training spends much of its time in small operations."""

    @staticmethod
    def forward(ctx, x, eps):
        inverse = torch.rsqrt(x.square().mean(-1, keepdim=True).add_(eps))
        y = x * inverse
        ctx.save_for_backward(y, inverse)
        return y

    @staticmethod
    def backward(ctx, grad):
        y, inverse = ctx.saved_tensors
        shared = (grad * y).mean(-1, keepdim=True)
        return torch.addcmul(grad, y, shared, value=-1).mul_(inverse), None


class RMSNorm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x):
        return Normalize.apply(x, self.eps) * self.weight


def rope_table(length, head_width, theta):
    """cos and sin [T 1 E], the sines of the first half negated, for rotate()."""
    inverse = 1.0 / theta ** (torch.arange(0, head_width, 2).float() / head_width)
    angles = torch.outer(torch.arange(length).float(), inverse)[:, None]
    return torch.cat([angles.cos()] * 2, -1), torch.cat([-angles.sin(), angles.sin()], -1)


def rotate(x, cos, sin):
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)


def product(x, *weights, mixed):
    """x times every weight, side by side; mixed: factors in bfloat16, sums in float32, result rounded to bfloat16."""
    weight = weights[0] if len(weights) == 1 else torch.cat(weights)
    return F.linear(x.bfloat16(), weight.bfloat16()).float() if mixed else F.linear(x, weight)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kv_heads = c["num_attention_heads"], c["num_key_value_heads"]
        self.width = c["hidden_size"] // self.heads
        self.q_proj = nn.Linear(c["hidden_size"], self.heads * self.width, bias=False)
        self.k_proj = nn.Linear(c["hidden_size"], self.kv_heads * self.width, bias=False)
        self.v_proj = nn.Linear(c["hidden_size"], self.kv_heads * self.width, bias=False)
        self.o_proj = nn.Linear(self.heads * self.width, c["hidden_size"], bias=False)

    def forward(self, x, cos, sin, mask, mixed):
        batch, length, _ = x.shape
        qkv = product(x, self.q_proj.weight, self.k_proj.weight, self.v_proj.weight, mixed=mixed)
        qkv = qkv.view(batch, length, -1, self.width)
        qk, v = qkv.split((self.heads + self.kv_heads, self.kv_heads), 2)
        q, k = rotate(qk, cos, sin).split((self.heads, self.kv_heads), 2)
        q, k, v = (self.by_head(t) for t in (q, k, v))
        scores = torch.baddbmm(mask, q, k.transpose(-1, -2), alpha=1 / math.sqrt(self.width))
        mixture = (scores.softmax(-1) @ v).view(batch, self.heads, length, self.width)
        return product(mixture.transpose(1, 2).reshape(batch, length, -1), self.o_proj.weight, mixed=mixed)

    def by_head(self, x):
        """[B T h E] -> [B*H T E]; a key or value head serves several query heads."""
        if x.shape[2] != self.heads:
            x = x.repeat_interleave(self.heads // x.shape[2], 2)
        return x.transpose(1, 2).reshape(-1, x.shape[1], self.width)


class MLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj = nn.Linear(c["hidden_size"], c["intermediate_size"], bias=False)
        self.up_proj = nn.Linear(c["hidden_size"], c["intermediate_size"], bias=False)
        self.down_proj = nn.Linear(c["intermediate_size"], c["hidden_size"], bias=False)

    def forward(self, x, mixed):
        gate, up = product(x, self.gate_proj.weight, self.up_proj.weight, mixed=mixed).chunk(2, -1)
        return product(F.silu(gate) * up, self.down_proj.weight, mixed=mixed)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.self_attn, self.mlp = Attention(c), MLP(c)
        self.input_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])
        self.post_attention_layernorm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])

    def forward(self, x, cos, sin, mask, mixed):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask, mixed)
        return x + self.mlp(self.post_attention_layernorm(x), mixed)


class Stack(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed_tokens = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.layers = nn.ModuleList(Block(c) for _ in range(c["num_hidden_layers"]))
        self.norm = RMSNorm(c["hidden_size"], c["rms_norm_eps"])


class Llama(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config, self.model = config, Stack(config)
        if not config["tie_word_embeddings"]:
            self.lm_head = nn.Linear(config["hidden_size"], config["vocab_size"], bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, 0.0, self.initial_deviation(name, parameter))

    def initial_deviation(self, name, parameter):
        if "embed" in name or "lm_head" in name:
            return self.config["initializer_range"]
        to_residual = name.endswith(("o_proj.weight", "down_proj.weight"))
        return parameter.shape[1] ** -0.5 / (math.sqrt(2 * len(self.model.layers)) if to_residual else 1.0)

    def forward(self, ids, steer=None, tap=None, mixed=False):
        """ids [B T] -> logits [B T V]. steer = (layer, [B T D]) is added after that block; tap, a list, gets every
        block's output, steering included."""
        width = self.config["hidden_size"] // self.config["num_attention_heads"]
        cos, sin = rope_table(ids.shape[1], width, self.config["rope_theta"])
        mask = torch.full((ids.shape[1],) * 2, -1e9).triu(1)
        x = self.model.embed_tokens(ids)
        for index, block in enumerate(self.model.layers):
            x = block(x, cos, sin, mask, mixed)
            if steer is not None and steer[0] == index:
                x = x + steer[1]
            if tap is not None:
                tap.append(x)
        tied = self.config["tie_word_embeddings"]
        head = self.model.embed_tokens.weight if tied else self.lm_head.weight
        return product(self.model.norm(x), head, mixed=mixed)


def round_weights(model):
    """Rounds every weight to bfloat16 in place: what the checkpoint will hold."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16().float())


def save_checkpoint(model, folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(model.config, file, indent=2)
        file.write("\n")
    tensors = {name: value.bfloat16().contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})


def load_checkpoint(folder):
    with open(os.path.join(folder, "config.json")) as file:
        model = Llama(json.load(file))
    tensors = load_file(os.path.join(folder, "model.safetensors"))
    model.load_state_dict({name: value.float() for name, value in tensors.items()})
    return model.eval()
