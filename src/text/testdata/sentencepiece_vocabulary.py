"""Trains a small SentencePiece vocabulary of Llama's kind, and gives the tokenizers that `transformers` makes of it.

Needs `pip install sentencepiece protobuf` beside the retrofit's requirements. The same text gives the same vocabulary.
"""
import gzip
import json
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from transformers import LlamaTokenizer
from transformers.convert_slow_tokenizer import LlamaConverter
from transformers.tokenization_utils_base import generate_merges

SPECIAL = ["<unk>", "<s>", "</s>"]


def lines_of(data):
    """Some lines of chats, of books and of sums, from the files of `../shared/data`."""
    for name in ("gpteacher", "books", "gsm8k_train"):
        size = 0
        for row in gzip.open(data / f"{name}.jsonl.gz", "rt", encoding="utf-8"):
            document = json.loads(row)
            texts = [document["text"]] if "text" in document else [m["content"] for m in document["messages"]]
            lines = [line[:400] for text in texts for line in text.split("\n")[:100] if line]
            yield from lines
            size += sum(map(len, lines))
            if size > 300_000:
                break


def train(data, size, symbols=()):
    """The pieces of a vocabulary of `size`, as the model file has them (text, score, type), and the path of that file.

    The settings are those of Llama 2's tokenizer.model; `symbols` become control pieces, as Mistral's `[INST]`.
    """
    folder = Path(tempfile.mkdtemp())
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines_of(Path(data)), model_prefix=str(folder / "tokenizer"), model_type="bpe",
        vocab_size=size, byte_fallback=True, split_digits=True, allow_whitespace_only_pieces=True,
        remove_extra_whitespaces=False, normalization_rule_name="identity", character_coverage=0.9995,
        control_symbols=list(symbols), unk_id=0, bos_id=1, eos_id=2, pad_id=-1, num_threads=1, minloglevel=2,
    )  # fmt: skip
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString((folder / "tokenizer.model").read_bytes())
    return [(piece.piece, piece.score, piece.type) for piece in proto.pieces], folder / "tokenizer.model"


def newer(path):
    """As LlamaTokenizer is today: `Metaspace`, a ▁ at the start of the text alone."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, folder)
        return LlamaTokenizer.from_pretrained(folder)._tokenizer


def legacy(pieces, prefix=True, normalized=False):
    """As the files of Llama 2, TinyLlama and Mistral have it: `Prepend` and `Replace`, merges ranked by score."""
    converter = LlamaConverter.__new__(LlamaConverter)
    converter.original_tokenizer = SimpleNamespace(legacy=True, add_prefix_space=prefix)
    vocab = {piece: i for i, (piece, _, _) in enumerate(pieces)}
    merges = generate_merges(vocab, {piece: score for piece, score, _ in pieces})
    tokenizer = Tokenizer(BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = converter.normalizer(None)
    tokenizer.decoder = converter.decoder("▁", prefix)
    controls = [piece for piece, _, kind in pieces if kind in (2, 3)]
    tokenizer.add_special_tokens([AddedToken(piece, normalized=normalized, special=True) for piece in controls])
    return tokenizer


def metaspace(path, **options):
    """`newer` with another `Metaspace`."""
    tokenizer = newer(path)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(**options)
    return tokenizer


def with_stripping(tokenizer, texts):
    """Adds tokens that take the white space after them, as Phi-3's do."""
    tokenizer.add_special_tokens([AddedToken(text, normalized=False, rstrip=True, special=True) for text in texts])
    return tokenizer
