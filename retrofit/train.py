"""Training: the student learns to forget while it stays as close as it can to the teacher.

Loss = KL between teacher and student over the full vocabulary + max(target - mean(bits), 0). Both terms as published;
the direction of the KL is an option. The target share of flagged tokens may differ from sequence to sequence with the
offset at which it is run, so that one set of gates is good along a range of offsets, not at one.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from .base import load_base
from .data import ahead, mixture
from .gates import DmsSettings
from .plot import plot_run
from .policies import BaseReader
from .sidecar import load_sidecar, write_sidecar
from .student import Student

AHEAD = 64
"""Sequences that are tokenised ahead of need."""

TIMED_STEPS = 12
"""Steps after which `--minutes` reckons how many there will be; the first ones compile."""


@dataclass(frozen=True)
class Point:
    """An offset and the compression ratio wanted there; their share of flagged tokens is 1 - 1 / ratio."""

    offset: float
    ratio: float

    @staticmethod
    def parse(text: str) -> "Point":
        offset, ratio = text.split(":")
        if float(ratio) < 1:
            raise argparse.ArgumentTypeError(f"{text}: a ratio is at least 1.")
        return Point(float(offset), float(ratio))


def at_step(step: int, mild: Point, strong: Point, ramp: int, seed: int) -> tuple[float, float]:
    """Offset and target share of flagged tokens of a step; the ratio climbs from 1 within `ramp` steps."""
    where = torch.rand((), generator=torch.Generator().manual_seed(seed * 1_000_003 + step)).item()
    shares = [1 - 1 / point.ratio for point in (mild, strong)]
    share = shares[0] + where * (shares[1] - shares[0])
    if ramp > 0 and step < ramp:
        ratio = 1 + (1 / (1 - share) - 1) * (step + 1) / ramp
        share = 1 - 1 / ratio
    return mild.offset + where * (strong.offset - mild.offset), share


def rate(step: int, steps: int, warmup: int) -> float:
    """Share of the learning rate: linear warm-up, then half a cosine to zero."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def divergence(student: Tensor, teacher: Tensor, head: Tensor, reverse: bool) -> Tensor:
    """Mean KL in nats over positions; hidden states [N, hidden] and the head [vocab, hidden]."""
    with torch.no_grad():
        wanted = F.log_softmax(F.linear(teacher, head).float(), -1)
    got = F.log_softmax(F.linear(student, head).float(), -1)
    first, second = (got, wanted) if reverse else (wanted, got)
    return F.kl_div(second, first, log_target=True, reduction="batchmean")


class Trainer:
    def __init__(self, args: argparse.Namespace):
        self.args = args
        self.out = Path(args.out)
        self.out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(args.seed)
        self.device = torch.device(args.device)
        self.base = load_base(args.model, tokenizer=args.tokenizer)
        self.base.model.requires_grad_(False)
        settings = DmsSettings(args.window, args.scale, args.offset)
        self.student = Student(
            self.base.model, settings, args.lora, args.lora_alpha or args.lora, args.targets, args.seed
        )
        if args.init:
            load_sidecar(self.student, args.init, self.base.sha256)
        if args.train == "all":
            self._train_all()
        self.base.model.to(self.device)
        self.student.to(self.device)
        self.teacher = BaseReader(self.base.model)
        self.head = self.base.model.lm_head.weight
        groups = [{"params": self.student.gates(), "lr": args.lr}]
        if args.lora > 0:
            groups.append({"params": self.student.updates(), "lr": args.lora_lr})
        if args.train == "all":
            known = {id(p) for p in self.student.gates() + self.student.updates()}
            rest = [p for p in self.student.parameters() if p.requires_grad and id(p) not in known]
            groups.append({"params": rest, "lr": args.lr})
        self.peak = [group["lr"] for group in groups]
        self.optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.95), weight_decay=0.0)
        self.trained = [p for group in groups for p in group["params"]]
        self.step, self.steps = 0, args.steps
        self.student.recompute = args.recompute
        if args.compile:
            self.student.compile()
            self.teacher.compile()
            self.divergence = torch.compile(divergence, dynamic=False)
        else:
            self.divergence = divergence

    def _train_all(self) -> None:
        """Gives the student weights of its own; the teacher keeps the base's."""
        for module in self.student.model.modules():
            for name, p in list(module.named_parameters(recurse=False)):
                if not p.requires_grad:
                    setattr(module, name, torch.nn.Parameter(p.detach().clone()))
        self.student.model.tie_weights()

    @property
    def checkpoint(self) -> Path:
        return self.out / "checkpoint.pt"

    def save(self) -> None:
        """Everything that a straight run would have at this step; written beside and then renamed."""
        state = {"step": self.step, "steps": self.steps, "trained": [p.detach().cpu() for p in self.trained]}
        state["optimizer"] = self.optimizer.state_dict()
        scratch = self.checkpoint.with_suffix(".tmp")
        torch.save(state, scratch)
        scratch.replace(self.checkpoint)

    @torch.no_grad()
    def resume(self) -> None:
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, map_location=self.device)
        if len(state["trained"]) != len(self.trained):
            raise ValueError(f"{self.checkpoint}: made with other options; choose another --out or the same options.")
        for ours, theirs in zip(self.trained, state["trained"]):
            ours.copy_(theirs)
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        if self.args.minutes:
            self.steps = state["steps"]
        log = self.out / "log.jsonl"
        if log.exists():
            lines = log.read_text().splitlines()[: self.step]
            log.write_text("".join(line + "\n" for line in lines))
        print(f"resumed at step {self.step}", flush=True)

    def run(self) -> None:
        args = self.args
        self.resume()
        sequences = ahead(mixture(args.data, self.base.tokenizer, args.length, args.seed), AHEAD)
        a_step = args.batch * args.accumulate
        for _ in range(self.step * a_step):
            next(sequences)
        began, seconds = time.monotonic(), []
        with (self.out / "log.jsonl").open("a") as log:
            while self.step < self.steps:
                started = time.monotonic()
                figures = self.one_step([next(sequences) for _ in range(a_step)])
                seconds.append(time.monotonic() - started)
                recent = sorted(seconds[-15:])[len(seconds[-15:]) // 2]
                if args.minutes and self.step == TIMED_STEPS:
                    self.steps = self.step + max(0, int((60 * args.minutes - (time.monotonic() - began)) / recent))
                left = (self.steps - self.step) * recent
                figures |= {"seconds": round(seconds[-1], 2), "eta_minutes": round(left / 60, 1)}
                log.write(json.dumps(figures) + "\n")
                log.flush()
                print(json.dumps(figures), flush=True)
                if self.step % args.save_every == 0 or self.step == self.steps:
                    self.save()
                    self.export()
        plot_run(self.out / "log.jsonl", self.out / "run.png")

    def one_step(self, sequences: list[Tensor]) -> dict:
        args, step = self.args, self.step
        offset, target = at_step(step, args.mild, args.strong, args.ramp, args.seed)
        share = rate(step, self.steps, args.warmup)
        for group, peak in zip(self.optimizer.param_groups, self.peak):
            group["lr"] = peak * share
        noise = torch.Generator().manual_seed(args.seed * 7_919 + step)
        total = {"kl": 0.0, "flagged": 0.0}
        for start in range(0, len(sequences), args.batch):
            ids = torch.stack(sequences[start : start + args.batch]).to(self.device)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=args.dtype == "bf16"):
                kl, flagged = self.forward(ids, offset, noise)
                loss = kl + (target - flagged).clamp_min(0)
            (loss / args.accumulate).backward()
            total["kl"] += kl.item() / args.accumulate
            total["flagged"] += flagged.item() / args.accumulate
        # Each group by itself: the gates' gradients are a hundred times the updates', by their scale.
        norms = [torch.nn.utils.clip_grad_norm_(g["params"], 1.0).item() for g in self.optimizer.param_groups]
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        figures = {"step": self.step, **total, "target": target, "offset": offset, "norm": max(norms), "rate": share}
        return {name: value if isinstance(value, int) else round(value, 5) for name, value in figures.items()}

    def forward(self, ids: Tensor, offset: float, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        wanted = self.teacher(ids)
        got, bits = self.student(ids, offset, noise)
        # Every `thin`-th position, at a place that moves: the vocabulary is a fifth of the work.
        thin = self.args.thin
        first = self.step % thin
        pick = lambda x: x[:, first::thin].reshape(-1, x.shape[-1])
        return self.divergence(pick(got), pick(wanted), self.head, self.args.kl == "reverse"), bits.mean()

    def export(self) -> None:
        write_sidecar(self.student, self.out / "sidecar.safetensors", self.base.name, self.base.sha256)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", required=True, help="a .gguf file, a model folder, or a directory with config.json and safetensors")
    add("--tokenizer", help="a tokenizer.json in place of the model's own")
    add("--data", required=True, help="a folder of .jsonl or .jsonl.gz files")
    add("--out", required=True, help="folder for checkpoint, log, sidecar and plot; the same again resumes")
    add("--init", help="sidecar to start from")
    add("--train", choices=["gates", "all"], default="gates", help="all: every weight as well (default: gates)")
    add("--lora", type=int, default=0, metavar="RANK", help="low-rank updates of this rank (default: none)")
    add("--lora-alpha", type=float, help="default: the rank")
    add("--targets", choices=["all", "attention"], default="all", help="projections that get an update")
    add("--window", type=int, default=128)
    add("--scale", type=float, default=100.0)
    add("--offset", type=float, default=5.0, help="offset that the sidecar names as its default")
    add("--mild", type=Point.parse, default=Point(5, 8), metavar="OFFSET:RATIO", help="gentle end of the range")
    add("--strong", type=Point.parse, default=Point(5, 8), metavar="OFFSET:RATIO", help="strong end of the range")
    add("--ramp", type=int, default=0, help="steps in which the ratio climbs from 1")
    add("--steps", type=int, default=200)
    add("--minutes", type=float, help=f"as many steps as fit; reckoned after {TIMED_STEPS} steps")
    add("--length", type=int, default=2048)
    add("--batch", type=int, default=1)
    add("--accumulate", type=int, default=1)
    add("--lr", type=float, default=3e-5, help="of the gates")
    add("--lora-lr", type=float, default=1e-3)
    add("--warmup", type=int, default=5)
    add("--kl", choices=["forward", "reverse"], default="forward", help="forward: KL(teacher || student)")
    add("--thin", type=int, default=1, help="count the KL at every N-th position only")
    add("--dtype", choices=["f32", "bf16"], default="f32")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu, cuda or mps")
    add("--recompute", action="store_true", help="compute layers anew for the backward pass: less memory, slower")
    add("--compile", action="store_true", help="compile the layers: slow to start, fast afterwards")
    add("--save-every", type=int, default=10)
    add("--seed", type=int, default=0)


def main(args: argparse.Namespace) -> None:
    Trainer(args).run()
