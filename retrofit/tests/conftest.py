"""Small models and text for the tests."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("LETHE_SHARED", ROOT.parent / "shared"))


def tiny_model(seed: int = 0) -> LlamaForCausalLM:
    """Two layers, 4 query heads, 2 KV heads of 64; weights large enough that attention matters."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=256,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        head_dim=64,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        initializer_range=0.08,
    )
    return LlamaForCausalLM(config).eval()


def write_tokenizer(folder: Path) -> None:
    """A tokenizer whose tokens are bytes."""
    vocab = {symbol: i for i, symbol in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)


def write_text(folder: Path) -> None:
    """Sixty documents of words drawn at random."""
    generator = torch.Generator().manual_seed(1)
    words = ["river", "stone", "forgets", "keeps", "the", "a", "slow", "water", "and", "over"]
    with (folder / "books.jsonl").open("w") as file:
        for number in range(60):
            picks = torch.randint(len(words), (400,), generator=generator).tolist()
            row = {"title": f"Book {number}", "text": " ".join(words[i] for i in picks)}
            file.write(json.dumps(row) + "\n")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory) -> Path:
    """A directory in Hugging Face's form: the tiny model and its tokenizer."""
    folder = tmp_path_factory.mktemp("tiny")
    tiny_model().save_pretrained(folder)
    write_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def text_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    write_text(folder)
    return folder
