"""Loads the base model in float32: a GGUF file, a Lethe model folder, or a directory in Hugging Face's form.

A retrofit is trained on the dequantised weights that are shipped, since another rounding changes the hidden states and
with them the bits.
"""

from __future__ import annotations

import copy
import hashlib
import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

FAMILIES = ("llama", "qwen3")


@dataclass(frozen=True)
class Base:
    model: PreTrainedModel
    tokenizer: object
    """`transformers` tokenizer with the chat template; None where the source has none."""
    name: str
    sha256: str
    """Of the weights file; binds a sidecar to the weights that it was trained on."""


def sharing_weights(model: PreTrainedModel, attention: str) -> PreTrainedModel:
    """A copy that attends in another way; its weights are the model's own."""
    copied = copy.deepcopy(model, {id(p): p for p in model.parameters()})
    copied.config._attn_implementation = attention
    return copied


def begin(body: nn.Module, ids: Tensor, first: int = 0) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """What the first layer is given: embeddings [B, T, hidden], and cosines and sines of positions from `first` on."""
    x = body.embed_tokens(ids)
    return x, body.rotary_emb(x, torch.arange(first, first + ids.shape[1], device=ids.device)[None])


def load_base(source: str | Path, attention: str = "eager", tokenizer: str | Path | None = None) -> Base:
    """Opens a `.gguf` file, a folder with `lethe.json`, or a directory with `config.json` and safetensors.

    A tokenizer.json replaces the tokenizer of the source: what `transformers` builds from a GGUF file splits a few rare
    strings otherwise than the original.
    """
    base = _open(Path(source), attention)
    if tokenizer is None:
        return base
    template = base.tokenizer.chat_template if base.tokenizer else None
    return replace(base, tokenizer=PreTrainedTokenizerFast(tokenizer_file=str(tokenizer), chat_template=template))


def _open(path: Path, attention: str) -> Base:
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file or folder.")
    if path.is_file():
        return _from_gguf(path, attention)
    if (path / "lethe.json").exists():
        return _from_folder(path, attention)
    return _from_directory(path, attention)


def _from_folder(folder: Path, attention: str) -> Base:
    """Joins the parts of a model folder to a temporary file, checking the hash that `lethe.json` lists."""
    file = json.loads((folder / "lethe.json").read_text())["file"]
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / file["name"]
        with whole.open("wb") as out:
            for part in file["parts"]:
                out.write((folder / part["name"]).read_bytes())
        base = _from_gguf(whole, attention)
    if base.sha256 != file["sha256"]:
        raise ValueError(f"{folder}: the parts do not have the hash that lethe.json lists; get the folder again.")
    return base


def _from_directory(folder: Path, attention: str) -> Base:
    config = AutoConfig.from_pretrained(folder)
    _check_family(config.model_type)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=attention)
    shards = sorted(folder.glob("model-*.safetensors"))
    whole = folder / "model.safetensors"
    # Shards are bound by the hash of their hashes.
    sha = _sha256(whole) if whole.exists() else hashlib.sha256("".join(map(_sha256, shards)).encode()).hexdigest()
    has_tokenizer = (folder / "tokenizer.json").exists()
    return Base(model.eval(), AutoTokenizer.from_pretrained(folder) if has_tokenizer else None, folder.name, sha)


def _from_gguf(path: Path, attention: str) -> Base:
    reader = GGUFReader(path)
    field = lambda key: reader.fields[key].contents()
    architecture = field("general.architecture")
    if architecture != "llama":
        raise ValueError(f"{path.name}: architecture {architecture} is not read from GGUF; use its safetensors.")
    config = _llama_config(field)
    config._attn_implementation = attention
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    state = _llama_state(reader, config)
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise ValueError(f"{path.name}: missing {sorted(missing)}, unexpected {sorted(unexpected)}.")
    model.tie_weights()
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    tokenizer.chat_template = field("tokenizer.chat_template") if "tokenizer.chat_template" in reader.fields else None
    return Base(model.eval(), tokenizer, path.name, _sha256(path))


def _llama_config(field) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=len(field("tokenizer.ggml.tokens")),
        hidden_size=field("llama.embedding_length"),
        intermediate_size=field("llama.feed_forward_length"),
        num_hidden_layers=field("llama.block_count"),
        num_attention_heads=field("llama.attention.head_count"),
        num_key_value_heads=field("llama.attention.head_count_kv"),
        rms_norm_eps=field("llama.attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": field("llama.rope.freq_base")},
        max_position_embeddings=field("llama.context_length"),
        tie_word_embeddings=True,
    )


_GGUF_NAMES = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def _llama_state(reader: GGUFReader, config: PretrainedConfig) -> dict[str, torch.Tensor]:
    """Tensors in Hugging Face's names; q and k rows put back from interleaved into half-split RoPE order."""
    values = {}
    for tensor in reader.tensors:
        array = np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
        values[tensor.name] = torch.from_numpy(array).view([int(size) for size in reversed(tensor.shape)])
    state = {
        "model.embed_tokens.weight": values["token_embd.weight"],
        "model.norm.weight": values["output_norm.weight"],
    }
    if "output.weight" in values:
        config.tie_word_embeddings = False
        state["lm_head.weight"] = values["output.weight"]
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    for layer in range(config.num_hidden_layers):
        for ours, theirs in _GGUF_NAMES.items():
            weight = values[f"blk.{layer}.{ours}.weight"]
            if ours in heads:
                rows, cols = weight.shape
                count = heads[ours]
                weight = weight.view(count, rows // count // 2, 2, cols).transpose(1, 2).reshape(rows, cols)
            state[f"model.layers.{layer}.{theirs}.weight"] = weight
    return state


def _check_family(model_type: str) -> None:
    if model_type not in FAMILIES:
        raise ValueError(f"Models of type {model_type} are not known here; {' and '.join(FAMILIES)} are.")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
