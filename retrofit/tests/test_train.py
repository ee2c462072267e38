"""A whole small training: what it reaches, and that a killed one goes on as if nothing had happened."""

from __future__ import annotations

import argparse
import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from retrofit import train
from retrofit.base import load_base
from retrofit.export import export_directory
from retrofit.sidecar import load_sidecar, open_student, read_metadata
from retrofit.train import Point, Trainer, at_step


def arguments(tiny_folder, text_folder, out, **changes) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    words = ["--model", str(tiny_folder), "--data", str(text_folder), "--out", str(out), "--device", "cpu"]
    args = parser.parse_args(words)
    settings = {
        "window": 16,
        "length": 128,
        "batch": 2,
        "lora": 8,
        "steps": 30,
        "lr": 3e-4,
        "lora_lr": 3e-3,
        "ramp": 15,
        "mild": Point(5, 3),
        "strong": Point(5, 3),
    }
    for name, value in (settings | changes).items():
        setattr(args, name, value)
    return args


def log_of(out) -> list[dict]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def straight(tiny_folder, text_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("straight")
    Trainer(arguments(tiny_folder, text_folder, out)).run()
    return out


def test_bits_rise_to_the_target_and_the_divergence_falls(straight, tiny_folder, text_folder, tmp_path):
    rows = log_of(straight)
    assert rows[0]["flagged"] < 0.1
    assert rows[-1]["flagged"] == pytest.approx(1 - 1 / 3, abs=0.05)
    assert (straight / "run.png").stat().st_size > 1000
    # From there, with the ratio held, the updates learn to make up for what is forgotten.
    changes = {"init": str(straight / "sidecar.safetensors"), "ramp": 0, "steps": 120, "lora_lr": 1e-2}
    Trainer(arguments(tiny_folder, text_folder, tmp_path, **changes)).run()
    kl = [row["kl"] for row in log_of(tmp_path)]
    assert sum(kl[-8:]) < 0.8 * sum(kl[:8])


def test_a_resumed_run_equals_a_straight_one(straight, tiny_folder, text_folder, tmp_path):
    killed = Trainer(arguments(tiny_folder, text_folder, tmp_path, save_every=7))
    step = killed.one_step

    def die(sequences):
        if killed.step == 17:
            raise KeyboardInterrupt
        return step(sequences)

    killed.one_step = die
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    Trainer(arguments(tiny_folder, text_folder, tmp_path, save_every=7)).run()
    wanted, got = load_file(straight / "sidecar.safetensors"), load_file(tmp_path / "sidecar.safetensors")
    assert wanted.keys() == got.keys()
    assert all(torch.equal(wanted[name], got[name]) for name in wanted)
    without_clock = lambda rows: [{k: v for k, v in r.items() if k not in ("seconds", "eta_minutes")} for r in rows]
    assert without_clock(log_of(straight)) == without_clock(log_of(tmp_path))


def test_layers_computed_anew_learn_the_same(tiny_folder, text_folder, tmp_path):
    trained = []
    for name in ("kept", "anew"):
        trainer = Trainer(arguments(tiny_folder, text_folder, tmp_path / name, steps=3, recompute=name == "anew"))
        trainer.run()
        trained.append(trainer.trained)
    for kept, anew in zip(*trained):
        torch.testing.assert_close(kept, anew, atol=1e-6, rtol=1e-5)


def test_a_run_by_the_clock_reckons_its_steps_once_and_keeps_them(tiny_folder, text_folder, tmp_path):
    # No time at all: it ends as soon as it has timed its first steps, with everything written.
    over = Trainer(arguments(tiny_folder, text_folder, tmp_path / "over", minutes=1e-9))
    over.run()
    assert over.step == len(log_of(tmp_path / "over")) == train.TIMED_STEPS
    assert torch.load(over.checkpoint)["step"] == train.TIMED_STEPS
    # A long time: many more steps than the default; killed and resumed, it keeps to that number.
    changes = {"minutes": 600, "save_every": train.TIMED_STEPS + 1}
    long = Trainer(arguments(tiny_folder, text_folder, tmp_path / "long", **changes))
    step = long.one_step

    def die(sequences):
        if long.step == train.TIMED_STEPS + 1:
            raise KeyboardInterrupt
        return step(sequences)

    long.one_step = die
    with pytest.raises(KeyboardInterrupt):
        long.run()
    assert long.steps > 100
    resumed = Trainer(arguments(tiny_folder, text_folder, tmp_path / "long", minutes=600))
    resumed.resume()
    assert (resumed.step, resumed.steps) == (train.TIMED_STEPS + 1, long.steps)


def test_every_weight_can_be_trained_and_the_teacher_stays(tiny_folder, text_folder, tmp_path):
    trainer = Trainer(arguments(tiny_folder, text_folder, tmp_path, train="all", lora=0, steps=2))
    before = {name: p.clone() for name, p in trainer.base.model.named_parameters()}
    trainer.run()
    assert all(torch.equal(before[name], p) for name, p in trainer.base.model.named_parameters())
    changed = trainer.student.model.model.layers[0].mlp.up_proj.weight
    assert not torch.equal(changed, before["model.layers.0.mlp.up_proj.weight"])


def test_the_sidecar_says_what_it_is_and_is_bound_to_its_base(straight, tiny_folder):
    base = load_base(tiny_folder)
    metadata = read_metadata(straight / "sidecar.safetensors")
    assert metadata["base_sha256"] == base.sha256
    assert (metadata["window"], metadata["lora_rank"], metadata["variant"]) == ("16", "8", "adapter")
    student = open_student(base, straight / "sidecar.safetensors")
    with pytest.raises(ValueError, match="trained on a base"):
        load_sidecar(student, straight / "sidecar.safetensors", "0" * 64)


def test_the_exported_directory_is_the_student(straight, tiny_folder, tmp_path):
    base = load_base(tiny_folder)
    student = open_student(base, straight / "sidecar.safetensors")
    export_directory(student, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["dms_window_size"] == 16 > config["dms_paged_attention_block_size"]
    state = load_file(tmp_path / "model.safetensors")
    plain = {name: tensor for name, tensor in state.items() if "dms_proj" not in name}
    model = AutoModelForCausalLM.from_config(base.model.config)
    missing, unexpected = model.load_state_dict(plain, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}
    model.tie_weights()
    ids = torch.randint(256, (1, 200), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        # Eviction off: what is left is the merged model.
        hidden, bits = student(ids, offset=1e9)
        torch.testing.assert_close(student.model.lm_head(hidden), model(ids).logits, atol=2e-4, rtol=1e-4)
    assert bits.sum() == 0


def test_target_climbs_from_one_and_follows_the_offset():
    shares = [at_step(step, Point(5, 4), Point(5, 4), 10, 0)[1] for step in range(12)]
    ratios = [1 / (1 - share) for share in shares]
    assert ratios[:10] == pytest.approx([1 + 0.3 * (step + 1) for step in range(10)])
    assert ratios[11] == pytest.approx(4)
    seen = [at_step(step, Point(12, 2), Point(2, 8), 0, 0) for step in range(200)]
    assert all(2 <= offset <= 12 for offset, _ in seen)
    assert min(offset for offset, _ in seen) < 3 and max(offset for offset, _ in seen) > 11
    for offset, share in seen:
        assert share == pytest.approx(0.5 + (12 - offset) / 10 * 0.375, abs=1e-5)
