"""Questions whose answer lies far back: a needle in prose, chains of assignments, facts told early in a long chat.

A case is one prompt with its answer behind it. It is scored in one forward: right when every answer token is the most
likely one after what stands before it. Prompts are filled with held-out text to just below the length that is wanted.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .data import data_files, is_held_out, read_rows


@dataclass(frozen=True)
class Case:
    task: str
    depth: float
    """Where in the prompt the first thing asked for stands: 0 start, 1 end."""
    ids: Tensor
    """Prompt and answer [T]."""
    scored: list[int]
    """Places in `ids` of the answer's tokens; what only joins its parts is not counted."""
    answer: str

    @property
    def queries(self) -> list[int]:
        """Positions whose next token is counted."""
        return [place - 1 for place in self.scored]


class Writer:
    """Renders messages as the model's chat template has it; without a template, as paragraphs."""

    def __init__(self, tokenizer, length: int):
        self.tokenizer, self.length = tokenizer, length

    def text(self, messages: list[dict], opening: str) -> str:
        """The prompt up to and with the first words of the assistant's answer."""
        if self.tokenizer.chat_template is None:
            return "\n\n".join([message["content"] for message in messages] + [opening])
        return self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) + opening

    def ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def fill(self, build: Callable[[int], list[dict]], most: int, opening: str, room: int) -> str:
        """The longest prompt `build(n)`, n <= most pieces of filler, that leaves `room` tokens."""
        low, high = 0, most
        size = lambda n: len(self.ids(self.text(build(n), opening))) + room
        if size(0) > self.length:
            raise ValueError(f"A prompt of {self.length} tokens has no room for a question of {size(0)}.")
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if size(middle) <= self.length else (low, middle - 1)
        return self.text(build(low), opening)

    def case(self, task: str, build: Callable[[int], list[dict]], most: int, end: tuple[str, list[str], str]) -> Case:
        """`end`: the assistant's first words; the answer's parts, every second of which only joins its neighbours; and
        the words that tell where in the prompt the answer stands.
        """
        opening, parts, mark = end
        prompt = self.fill(build, most, opening, len(self.ids("".join(parts))) + 1)
        text, scored = prompt, []
        for index, part in enumerate(parts):
            before = len(self.ids(text))
            text += part
            if index % 2 == 0:
                scored += range(before, len(self.ids(text)))
        ids = torch.tensor(self.ids(text))
        return Case(task, prompt.index(mark) / len(prompt), ids, scored, "".join(parts[::2]).strip())


@lru_cache(maxsize=1)
def held_out_rows(folder: str | Path) -> list[dict]:
    return [row for file in data_files(folder) for row in read_rows(file) if is_held_out(row)]


def prose(folder: str | Path, draw: random.Random, count: int) -> list[str]:
    """Sentences that follow one another in a held-out book."""
    books = [row["text"] for row in held_out_rows(folder) if "text" in row]
    if not books:
        raise ValueError(f"{folder}: no held-out prose (rows with `text`).")
    sentences = re.split(r"(?<=[.!?])\s+", " ".join(draw.choice(books).split()))
    start = draw.randrange(max(1, len(sentences) - count))
    return sentences[start : start + count]


def dialogues(folder: str | Path, draw: random.Random, count: int) -> list[list[dict]]:
    """Questions with their answers, from held-out chats of one turn in random order; without any, from prose.

    Longer dialogues are left out: in them a small base loses its way, whatever it forgets.
    """
    pairs = [row["messages"] for row in held_out_rows(folder) if _is_pair(row)]
    draw.shuffle(pairs)
    if not pairs:
        said = prose(folder, draw, 2 * count)
        pairs = [[_says("user", a), _says("assistant", b)] for a, b in zip(said[::2], said[1::2])]
    return pairs[:count]


LONGEST_MESSAGE = 600
"""Characters of the longest message that is filler: a page of code would fill the chat by itself."""


def _is_pair(row: dict) -> bool:
    messages = row.get("messages") or []
    in_turn = [message["role"] for message in messages] == ["user", "assistant"]
    return in_turn and all(len(message["content"]) <= LONGEST_MESSAGE for message in messages)


def _says(role: str, content: str) -> dict:
    return {"role": role, "content": content}


def needle(writer: Writer, folder: str | Path, draw: random.Random, depth: float) -> Case:
    """A number between two sentences of a book."""
    key = str(draw.randrange(10_000, 100_000))
    sentences = prose(folder, draw, writer.length)
    told = f"The pass key is {key}. Remember it. {key} is the pass key."

    def build(count: int) -> list[dict]:
        place = round(depth * count)
        text = " ".join(sentences[:place] + [told] + sentences[place:count])
        head = "A pass key is hidden in the text below. Find it and remember it; you will be asked for it."
        return [_says("user", f"{head}\n\n{text}\n\nWhat is the pass key?")]

    return writer.case("needle", build, len(sentences), ("The pass key is ", [key], told))


NAMES = ("apple river stone tiger candle garden silver mirror rocket pepper window bridge castle dragon forest guitar "
         "hammer island jacket kettle ladder magnet needle orange").split()  # fmt: skip
CHAIN = 4
"""Variables of the chain: one is given a number, and each of the others the one before it."""
NOISE = [
    "The kettle boils and the window is open.",
    "Rain is falling on the hill.",
    "A cart goes by, and another comes back.",
    "The clock on the wall is slow.",
    "Somebody is singing next door.",
]


def tracking(writer: Writer, draw: random.Random) -> Case:
    """A chain of assignments strewn in order over noise; asked for all variables that hold its number.

    After the variable tracking of RULER (arXiv 2404.06654), with words for names.
    """
    names = [name.upper() for name in draw.sample(NAMES, CHAIN)]
    number = str(draw.randrange(10_000, 100_000))
    lines = [f"VAR {name} = {value}." for name, value in zip(names, [number, *names])]
    places = sorted(draw.random() * 0.9 for _ in lines)

    def build(count: int) -> list[dict]:
        text = [NOISE[i % len(NOISE)] for i in range(count)]
        for place, line in reversed(list(zip(places, lines))):
            text.insert(int(place * count), line)
        head = "Remember the chain of variable assignments that is hidden in the text below."
        question = f"Question: Find all variables that are assigned the value {number} in the text above."
        return [_says("user", f"{head}\n\n{' '.join(text)}\n\n{question}")]

    opening = f"The {CHAIN} variables that are assigned the value {number} are VAR"
    joins = [", VAR"] * (CHAIN - 3) + [", and VAR", ""]
    parts = [part for name, join in zip(names[1:], joins) for part in (f" {name}", join)]
    # The first name is given: a small base often leaves it out, and the links that follow are what is asked for.
    return writer.case("tracking", build, writer.length, (f"{opening} {names[0]}, VAR", parts[:-1], lines[1]))


CODES = ["locker code", "door code", "ticket number", "member number", "order number", "card number"]
OTHERS = ["dog is called Rocky", "home is in Lisbon", "sister's name is Emma", "favorite color is green"]


def recall(writer: Writer, folder: str | Path, draw: random.Random, asked: int) -> Case:
    """Three facts told in a chat's first turns, one of them a number; other chats; then the number is asked for."""
    code, number = CODES[asked % len(CODES)], str(draw.randrange(1_000, 10_000))
    fact = f"{code} is {number}"
    told = []
    for each in draw.sample([fact, *draw.sample(OTHERS, 2)], 3):
        told.append(_says("user", f"My {each}. Please remember it."))
        told.append(_says("assistant", f"Your {each}. I will remember that your {each}."))
    pairs = dialogues(folder, draw, writer.length)

    def build(count: int) -> list[dict]:
        chat = [message for pair in pairs[:count] for message in pair]
        return told + chat + [_says("user", f"What is my {code}?")]

    return writer.case("recall", build, len(pairs), (f"Your {code} is ", [number], f"My {fact}"))


def all_cases(tokenizer, folder: str | Path, length: int, counts: dict[str, int], seed: int) -> list[Case]:
    """Every case of every task; `counts` by task. A case does not change when the number of others does not."""
    writer = Writer(tokenizer, length)
    draw = lambda task, index: random.Random(f"{seed} {task} {index}")
    n = counts.get("needle", 0)
    cases = [needle(writer, folder, draw("needle", i), (i + 0.5) / n) for i in range(n)]
    cases += [tracking(writer, draw("tracking", i)) for i in range(counts.get("tracking", 0))]
    return cases + [recall(writer, folder, draw("recall", i), i) for i in range(counts.get("recall", 0))]


def score(hidden: Tensor, head: Tensor, case: Case) -> dict[str, float | bool]:
    """hidden [T, hidden] of the whole case -> right or not, share of answer tokens right, nats a token."""
    logits = F.linear(hidden[case.queries], head).float()
    wanted = case.ids[case.scored].to(logits.device)
    hits = logits.argmax(-1) == wanted
    share = hits.float().mean().item()
    return {"right": bool(hits.all()), "share": share, "nll": F.cross_entropy(logits, wanted).item()}
