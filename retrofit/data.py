"""Text for training and evaluation: rows of JSON, packed into sequences of one length.

A row is a chat (`messages`), prose (`text`) or a story (`sections`). One document in HELD_OUT_SHARE is held out, chosen
by its own words, so that the choice is the same on every machine and in every order.
"""

from __future__ import annotations

import gzip
import json
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import torch
from torch import Tensor

HELD_OUT_SHARE = 20


def is_held_out(row: dict) -> bool:
    words = row.get("title") or json.dumps(row.get("messages") or row.get("text"))[:500]
    return zlib.crc32(words.encode()) % HELD_OUT_SHARE == 0


def read_rows(path: Path) -> Iterator[dict]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                yield json.loads(line)
            except json.JSONDecodeError as cause:
                raise ValueError(f"{path}:{number}: no JSON object: {cause}") from None


def data_files(folder: str | Path) -> list[Path]:
    files = sorted(p for p in Path(folder).iterdir() if p.name.endswith((".jsonl", ".jsonl.gz")))
    if not files:
        raise FileNotFoundError(f"{folder}: it has no .jsonl or .jsonl.gz file.")
    return files


def as_text(row: dict, tokenizer) -> str:
    if "messages" in row:
        if tokenizer.chat_template is None:
            return "\n\n".join(message["content"] for message in row["messages"])
        return tokenizer.apply_chat_template(row["messages"], tokenize=False)
    if "sections" in row:
        return row["title"] + "\n\n" + "\n\n".join(row["sections"])
    return row["text"]


def pieces(row: dict, tokenizer, longest: int) -> Iterator[list[int]]:
    """A document's token ids, a long one in pieces that each fill a sequence."""
    text = as_text(row, tokenizer)
    # Tokenising a whole book takes long, and only a piece of it is wanted at a time.
    for start in range(0, len(text), longest * 6):
        yield tokenizer(text[start : start + longest * 6], add_special_tokens=False)["input_ids"]


def packed(path: Path, tokenizer, length: int, seed: int, held_out: bool = False) -> Iterator[Tensor]:
    """Sequences [length] of one file's documents, shuffled, one after another without padding."""
    rows = [row for row in read_rows(path) if is_held_out(row) == held_out]
    generator = torch.Generator().manual_seed(seed)
    rest: list[int] = []
    order = torch.randperm(len(rows), generator=generator).tolist()
    # Books are long: a round takes one piece of each, so that all are met early.
    streams = [pieces(rows[i], tokenizer, length) for i in order]
    while streams:
        alive = []
        for stream in streams:
            ids = next(stream, None)
            if ids is None:
                continue
            alive.append(stream)
            rest += ids
            while len(rest) >= length:
                yield torch.tensor(rest[:length])
                rest = rest[length:]
        streams = alive


def mixture(folder: str | Path, tokenizer, length: int, seed: int) -> Iterator[Tensor]:
    """Training sequences [length], the files in turn (prose twice as often as any other), without end."""
    epoch = 0
    files = data_files(folder)
    turn = [f for f in files for _ in range(2 if f.name.startswith("books") else 1)]
    streams = {}
    position = 0
    while True:
        file = turn[position % len(turn)]
        position += 1
        sequence = next(streams[file], None) if file in streams else None
        if sequence is None:
            epoch += 1
            streams[file] = packed(file, tokenizer, length, seed + epoch)
            sequence = next(streams[file], None)
            if sequence is None:
                raise ValueError(f"{file}: its training part has fewer than {length} tokens.")
        yield sequence


def ahead(sequences: Iterator[Tensor], depth: int) -> Iterator[Tensor]:
    """The same sequences, made by another thread up to `depth` ahead; its failure is raised here."""
    made: Queue = Queue(depth)

    def fill() -> None:
        try:
            for sequence in sequences:
                made.put(sequence)
        except Exception as cause:  # Whatever it is, it is raised where the sequences are wanted.
            made.put(cause)

    threading.Thread(target=fill, daemon=True).start()
    while True:
        item = made.get()
        if isinstance(item, Exception):
            raise item
        yield item
