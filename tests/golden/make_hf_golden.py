"""Writes hf_gqa.json: the golden quantities by Hugging Face's LlamaForCausalLM in float32 with eager attention.

Run by hand, only when cases.py changes; needs torch and transformers (made with 4.33.2, the version CAA used):

    python -m venv --system-site-packages hf-venv
    hf-venv/bin/pip install "transformers==4.33.2" "numpy<2" torch
    hf-venv/bin/python tests/golden/make_hf_golden.py
"""

import numpy as np
import torch
import transformers

from cases import MODELS
from golden_file import write_golden
from made_up_weights import made_up_weights

MODEL = "gqa"


def load() -> transformers.LlamaForCausalLM:
    config, seed = MODELS[MODEL]
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config)).float().eval()
    weights = {name: torch.tensor(w, dtype=torch.float32) for name, w in made_up_weights(config, seed).items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and all("inv_freq" in name for name in missing), (missing, unexpected)
    return model


def forward_of(model: transformers.LlamaForCausalLM):
    def forward(tokens, additions=(), first=0):
        residuals: list[np.ndarray] = []

        def after_block(index):
            def hook(_module, _inputs, output):
                residuals.append(output[0][0].detach().numpy().copy())
                for layer, vector in additions:
                    if layer == index:
                        output[0][:, first:] += torch.tensor(np.asarray(vector, dtype=np.float32))
                return output

            return hook

        hooks = [block.register_forward_hook(after_block(i)) for i, block in enumerate(model.model.layers)]
        try:
            with torch.no_grad():
                logits = model(torch.tensor([list(tokens)])).logits[0, -1]
        finally:
            for hook in hooks:
                hook.remove()
        return np.stack(residuals), torch.log_softmax(logits.double(), dim=-1).numpy()

    return forward


if __name__ == "__main__":
    made_by = f"transformers {transformers.__version__}, torch {torch.__version__}, float32, eager attention"
    print(write_golden(f"hf_{MODEL}", MODEL, made_by, forward_of(load())))
