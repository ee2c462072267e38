"""The evaluation on the small retrofit of the fixture: its figures, its files, and that a killed one goes on."""

from __future__ import annotations

import argparse
import json
import math

import pytest
import torch

from retrofit import evaluate
from retrofit.evaluate import Evaluation, held_out_windows
from retrofit.gates import verdicts
from retrofit.measure import budget_for, capped_tokens, compare, live_tokens, offset_at, second_half, summary
from retrofit.policies import one_thread
from retrofit.tests.make_fixture import FOLDER


@pytest.fixture(autouse=True, scope="module")
def small_products():
    """Threads that share so little work only wait for one another."""
    with one_thread():
        yield


@pytest.mark.parametrize("window", [0, 1, 5, 39, 60])
def test_live_tokens_are_counted_by_the_rule(window):
    bits = (torch.rand(3, 2, 40, generator=torch.Generator().manual_seed(window)) < 0.6).float()
    i, j = torch.arange(40)[:, None], torch.arange(40)[None]
    dead = (verdicts(bits, 0.0)[:, :, None] > 0) & (i - j > window)
    wanted = ((j <= i) & ~dead).sum(-1).float().mean((0, 1))
    torch.testing.assert_close(live_tokens(bits, window), wanted)


@pytest.mark.parametrize("live", [1.0, 7.4, 7.6, 33.2, 47.0, 80.0])
def test_the_budget_gives_the_live_tokens_that_were_asked_for(live):
    queries = second_half(64)
    mean = lambda budget: capped_tokens(64, budget)[queries].mean().item()
    best = min(abs(mean(budget) - live) for budget in range(1, 65))
    assert abs(mean(budget_for(live, 64, queries)) - live) == pytest.approx(best)


def test_two_readings_are_compared_in_nats():
    generator = torch.Generator().manual_seed(0)
    ours, theirs = torch.randn(2, 300, 8, generator=generator)
    head = torch.randn(50, 8, generator=generator)
    targets = torch.randint(50, (300,), generator=generator)
    p, q = (torch.softmax(x @ head.T, -1) for x in (ours, theirs))
    got = compare(ours, theirs, head, targets)
    assert got["kl"] == pytest.approx((p * (p / q).log()).sum(-1).mean().item(), rel=1e-4)
    assert got["nll"] == pytest.approx(-q[torch.arange(300), targets].log().mean().item(), rel=1e-4)
    assert got["top1"] == pytest.approx((p.argmax(-1) == q.argmax(-1)).float().mean().item())
    same = compare(ours, ours, head, targets)
    assert (same["kl"], same["top1"], same["nll"]) == (pytest.approx(0, abs=1e-6), 1.0, same["nll_dense"])


def test_the_change_is_paired():
    row = lambda dense, other: {"seen": 100.0, "live": 25.0, "nll_dense": dense, "nll": other, "kl": 0.1, "top1": 0.9}
    found = summary([row(1.0, 1.1), row(3.0, 3.1), row(2.0, 2.1)])
    assert found["ratio"] == 4
    assert found["change_percent"] == pytest.approx(100 * (math.exp(0.1) - 1))
    assert found["change_error"] == pytest.approx(0, abs=1e-9)
    assert summary([row(1.0, 1.1)])["change_error"] is None


def test_an_offset_is_found_between_those_measured():
    points = [(9.0, 2.0), (2.0, 8.0), (5.0, 4.0)]
    assert offset_at(4.0, points) == pytest.approx(5.0)
    assert offset_at(math.sqrt(8), points) == pytest.approx(7.0)
    assert (offset_at(20.0, points), offset_at(1.1, points)) == (2.0, 9.0)


def arguments(data, out, **changes) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    words = f"--model {FOLDER} --sidecar {FOLDER}/sidecar.safetensors --data {data} --out {out} --lengths 256 320"
    words += " --windows 2 1 --offsets 1 5 12 --ratios 3 --needles 1 --tracking 1 --recall 1 --task-lengths 700"
    args = parser.parse_args([*words.split(), "--device", "cpu"])
    for name, value in changes.items():
        setattr(args, name, value)
    return args


@pytest.fixture(scope="module")
def measured(text_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("quality")
    Evaluation(arguments(text_folder, out)).run()
    return out


def test_every_file_is_written_and_the_figures_hang_together(measured):
    data = json.loads((measured / "quality.json").read_text())
    assert len(data["base"]["sha256"]) == len(data["sidecar"]["sha256"]) == 64
    entries = data["windows"]["256"]
    assert [len(entry["rows"]) for entry in entries.values()] == [2] * 6
    rows = {name: summary(entry["rows"]) for name, entry in entries.items()}
    assert rows["dms@1"]["ratio"] > rows["dms@5"]["ratio"] > rows["dms@12"]["ratio"] > 1
    assert rows["dms@3x"]["ratio"] == pytest.approx(3, rel=0.1)
    for rule in ("window@3x", "tova@3x"):
        assert rows[rule]["live"] == pytest.approx(rows["dms@3x"]["live"], abs=0.5)
        assert rows[rule]["kl"] > 0 and rows[rule]["perplexity_dense"] == rows["dms@3x"]["perplexity_dense"]
    assert [case["task"] for case in data["tasks"]] == ["needle", "tracking", "recall"]
    for case in data["tasks"]:
        assert set(case["results"]) == {"dense", "dms@3x", "window@3x", "tova@3x"}
        assert case["results"]["tova@3x"]["live"] == pytest.approx(case["results"]["dms@3x"]["live"], abs=1)
    points = json.loads((measured / "curve.json").read_text())
    assert all(set(point) == {"offset", "ratio", "perplexity", "kl"} for point in points)
    assert [point["offset"] for point in points] == sorted({point["offset"] for point in points})
    text = (measured / "quality.md").read_text()
    assert data["sidecar"]["sha256"] in text and "TOVA at 3x" in text and "token by token" in text
    assert all((measured / name).stat().st_size > 1000 for name in ("offsets.png", "tasks.png"))


def test_a_killed_run_goes_on_where_it_was(measured, text_folder, tmp_path):
    killed = Evaluation(arguments(text_folder, tmp_path))
    read, calls = killed.read_dms, []

    def die(ids, offset):
        calls.append(offset)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return read(ids, offset)

    killed.read_dms = die
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    resumed = Evaluation(arguments(text_folder, tmp_path))
    resumed.run()
    assert abs(resumed.progress.left) < 1e-6
    assert (tmp_path / "quality.json").read_text() == (measured / "quality.json").read_text()


def test_windows_read_together_give_the_same_figures(measured, text_folder, tmp_path):
    changes = {"batch": 2, "task_lengths": [700, 500], "needles": 2}
    Evaluation(arguments(text_folder, tmp_path, **changes)).run()
    one, two = (json.loads((folder / "quality.json").read_text()) for folder in (measured, tmp_path))
    for name in ("dms@5", "window@3x", "tova@3x"):
        for ours, theirs in zip(one["windows"]["256"][name]["rows"], two["windows"]["256"][name]["rows"]):
            assert ours == {k: v if isinstance(v, str) else pytest.approx(v, abs=2e-3) for k, v in theirs.items()}
    lengths = [(case["length"], case["task"]) for case in two["tasks"]]
    at = lambda length: [(length, task) for task in ("needle", "needle", "tracking", "recall")]
    assert lengths == at(700) + at(500)
    text = (tmp_path / "quality.md").read_text()
    assert "700 or 500 tokens" in text and "500: ratio" in text and "dms at 3x, 500 tokens" in text


def test_another_run_is_not_mixed_in(measured, text_folder):
    with pytest.raises(ValueError, match="made with other settings"):
        Evaluation(arguments(text_folder, measured, seed=1))


def test_windows_are_spread_over_the_files(tmp_path, text_folder):
    from retrofit.base import load_base

    tokenizer = load_base(FOLDER).tokenizer
    text = (text_folder / "books.jsonl").read_text()
    for name in ("a", "b", "c", "d"):
        (tmp_path / f"{name}.jsonl").write_text(text)
    names = lambda count: "".join(name for name, _ in held_out_windows(str(tmp_path), tokenizer, 64, count, 0))
    assert (names(1), names(2), names(4), names(6)) == ("a", "ad", "abcd", "abcdad")
