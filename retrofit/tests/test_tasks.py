"""The generators say what they should, at the length they should, the same every time."""

from __future__ import annotations

import json
import re

import pytest
import torch

from retrofit.base import load_base
from retrofit.tasks import CHAIN, all_cases, score

LENGTH = 1500
COUNTS = {"needle": 4, "tracking": 2, "recall": 6}


@pytest.fixture(scope="module")
def tokenizer(tiny_folder):
    return load_base(tiny_folder).tokenizer


@pytest.fixture(scope="module")
def text_folder(tmp_path_factory):
    """Books of short sentences, and chats of two turns."""
    folder = tmp_path_factory.mktemp("sentences")
    with (folder / "books.jsonl").open("w") as file:
        for number in range(60):
            text = " ".join(f"Stone {i} lay by river {number}." for i in range(200))
            file.write(json.dumps({"title": f"Book {number}", "text": text}) + "\n")
    with (folder / "chats.jsonl").open("w") as file:
        for number in range(4000):
            messages = [{"role": "user", "content": f"How deep is lake {number}?"}]
            messages.append({"role": "assistant", "content": "Nobody knows."})
            file.write(json.dumps({"messages": messages}) + "\n")
    return folder


@pytest.fixture(scope="module")
def cases(tokenizer, text_folder):
    return all_cases(tokenizer, text_folder, LENGTH, COUNTS, seed=0)


def test_every_case_fills_the_length_and_ends_with_its_answer(cases, tokenizer):
    assert [case.task for case in cases] == ["needle"] * 4 + ["tracking"] * 2 + ["recall"] * 6
    for case in cases:
        assert len(case.ids) <= LENGTH
        assert tokenizer.decode(case.ids[case.scored]).strip() == case.answer
        assert case.scored[-1] == len(case.ids) - 1 and case.queries[0] == case.scored[0] - 1
        assert len(case.ids) > LENGTH - 60


def test_the_needle_stands_at_its_depth_and_only_there(cases, tokenizer):
    for index, case in enumerate(cases[:4]):
        text = tokenizer.decode(case.ids[: case.scored[0]])
        assert text.count(case.answer) == 2
        assert "pass key" in text[-120:]
    assert [case.depth for case in cases[:4]] == sorted(case.depth for case in cases[:4])


def test_the_chain_can_be_followed_to_the_answer(cases, tokenizer):
    for case in cases[4:6]:
        text = tokenizer.decode(case.ids)
        number = re.search(r"assigned the value (\d+) in", text).group(1)
        held = []
        for name, value in re.findall(r"VAR (\w+) = (\w+)\.", text):
            if value == number or value in held:
                held.append(name)
        assert case.answer.split() == held[1:] and len(held) == CHAIN
        assert text.endswith(f"are VAR {held[0]}, VAR {held[1]}, VAR {held[2]}, and VAR {held[3]}")


def test_the_fact_is_told_early_and_asked_for_at_the_end(cases, tokenizer):
    for case in cases[6:]:
        text = tokenizer.decode(case.ids[: case.scored[0]])
        assert text.index(case.answer) < 400 and "What is my" in text[-160:]
        assert case.depth < 0.5
    assert len({case.answer for case in cases[6:]}) == 6


def test_the_same_seed_gives_the_same_cases(cases, tokenizer, text_folder):
    again = all_cases(tokenizer, text_folder, LENGTH, COUNTS, seed=0)
    assert all(torch.equal(a.ids, b.ids) for a, b in zip(cases, again))
    other = all_cases(tokenizer, text_folder, LENGTH, COUNTS, seed=1)
    assert any(a.answer != b.answer for a, b in zip(cases, other))


def test_a_case_is_right_only_when_every_token_is(cases):
    case = cases[0]
    head = torch.eye(256)
    hidden = torch.zeros(len(case.ids), 256)
    hidden[torch.arange(len(case.ids) - 1), case.ids[1:]] = 20.0
    assert score(hidden, head, case) == {"right": True, "share": 1.0, "nll": pytest.approx(0, abs=1e-4)}
    hidden[-2] = 0.0
    hidden[-2, (case.ids[-1] + 1) % 256] = 20.0
    missed = score(hidden, head, case)
    assert not missed["right"] and missed["share"] == pytest.approx(1 - 1 / len(case.scored))


def test_a_length_without_room_is_refused(tokenizer, text_folder):
    with pytest.raises(ValueError, match="no room"):
        all_cases(tokenizer, text_folder, 50, COUNTS, seed=0)
