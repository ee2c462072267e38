"""`eval`: what forgetting costs, measured on held-out text and tasks against the dense base and two untrained rules.

Every figure goes to quality.json as soon as it is measured; the same command again measures only what is missing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor, nn

from .base import load_base
from .data import data_files, packed
from .low_rank import hold_as_shipped
from .measure import budget_for, capped_tokens, compare, live_tokens, offset_at, second_half, summary
from .policies import SERVED, SINKS, BaseReader, dense, recent, tova
from .report import write_report
from .sidecar import open_student
from .tasks import Case, all_cases, score

RULES = {"window": recent, "tova": tova}
TOVA_COST = 2.0
"""Of a reading token by token, in dense readings; only for the time that is left."""


def held_out_windows(folder: str, tokenizer, length: int, count: int, seed: int) -> list[tuple[str, Tensor]]:
    """`count` windows [length] with the file that each is from: whole rounds of all files, the rest spread."""
    files = data_files(folder)
    rest = count % len(files)
    order = files * (count // len(files))
    order += [files[round(i * (len(files) - 1) / max(1, rest - 1))] for i in range(rest)]
    streams = {file: packed(file, tokenizer, length, seed, held_out=True) for file in files}
    windows = [(file.name.split(".")[0], next(streams[file], None)) for file in order]
    short = [name for name, ids in windows if ids is None]
    if short:
        raise ValueError(f"{folder}: the held-out part of {short[0]} is too short for the windows of {length} tokens.")
    return windows


class Progress:
    """Lines on stderr with the time that is left; work is counted in readings of 2,048 tokens."""

    def __init__(self, total: float):
        self.left, self.done, self.started = total, 0.0, time.monotonic()

    def skip(self, work: float) -> None:
        self.left -= work

    def tick(self, work: float, label: str) -> None:
        self.left, self.done = self.left - work, self.done + work
        seconds = (time.monotonic() - self.started) / self.done * max(0.0, self.left)
        print(f"{label}  [about {seconds / 60:.1f} min left]", file=sys.stderr, flush=True)


class Store:
    """quality.json: settings, and rows as they are measured. Written beside and then renamed."""

    def __init__(self, path: Path, heading: dict):
        self.path = path
        self.data = heading | {"windows": {}, "tasks": []}
        if path.exists():
            found = json.loads(path.read_text())
            other = [key for key in heading if found.get(key) != heading[key]]
            if other:
                raise ValueError(f"{path}: made with other {' and '.join(other)}; choose another --out or delete it.")
            self.data = found

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.path.with_suffix(".tmp")
        scratch.write_text(json.dumps(self.data, indent=1) + "\n")
        scratch.replace(self.path)


class Evaluation:
    def __init__(self, args: argparse.Namespace):
        if len(args.windows) != len(args.lengths):
            raise ValueError("--windows takes one count for each of --lengths.")
        self.args = args
        base = load_base(args.model, tokenizer=args.tokenizer)
        base.model.to(args.device)
        self.tokenizer = base.tokenizer
        self.store = Store(Path(args.out) / "quality.json", self._heading(base))
        self.reader = BaseReader(base.model)
        self.student = open_student(base, args.sidecar).to(args.device)
        self.student.model.config._attn_implementation = SERVED
        if args.window is not None:
            self.student.settings = replace(self.student.settings, window=args.window)
        if args.held == "w8":
            hold_as_shipped(self.student)
        if args.compile:
            self.reader.compile()
            self.student.compile()
        self.head = base.model.lm_head.weight
        self.window = self.student.settings.window
        self.progress = Progress(self._work())
        self.dense_halves: dict[tuple[int, int], Tensor] = {}
        self.texts: dict[int, list[tuple[str, Tensor]]] = {}

    def _heading(self, base) -> dict:
        args = self.args
        sidecar = Path(args.sidecar)
        settings = {key: getattr(args, key) for key in OPTIONS} | {
            "data": [file.name for file in data_files(args.data)],
            "sinks": SINKS,
        }
        return {
            "base": {"name": base.name, "sha256": base.sha256},
            "sidecar": {"name": sidecar.name, "sha256": hashlib.sha256(sidecar.read_bytes()).hexdigest()},
            "settings": settings,
        }

    def _work(self) -> float:
        args = self.args
        on_windows = len(args.offsets) + len(args.ratios) * (2 + TOVA_COST)
        work = sum(length / 2048 * count * on_windows for length, count in zip(args.lengths, args.windows))
        cases = args.needles + args.tracking + args.recall
        return work + cases * sum(args.task_lengths) / 2048 * (1 + len(args.ratios) * (2 + TOVA_COST))

    @torch.no_grad()
    def read_dms(self, ids: Tensor, offset: float) -> tuple[Tensor, Tensor]:
        """ids [B, T] -> hidden states [B, T, hidden], live tokens [B, T]."""
        hidden, bits = self.student(ids.to(self.args.device), offset)
        return hidden, live_tokens(bits, self.window).cpu()

    def read_base(self, ids: Tensor, attend: Callable = dense, budget: int | None = None) -> tuple[Tensor, Tensor]:
        """The same for the untouched base; without a budget nothing is forgotten."""
        hidden = self.reader(ids.to(self.args.device), attend)
        return hidden, capped_tokens(ids.shape[1], budget or ids.shape[1]).expand(ids.shape)

    def texts_of(self, length: int) -> list[tuple[str, Tensor]]:
        if length not in self.texts:
            count = self.args.windows[self.args.lengths.index(length)]
            self.texts[length] = held_out_windows(self.args.data, self.tokenizer, length, count, self.args.seed)
        return self.texts[length]

    def dense_half(self, length: int, index: int) -> Tensor:
        """What the base makes of the second half of a window; read once. [T / 2, hidden]"""
        if (length, index) not in self.dense_halves:
            ids = self.texts_of(length)[index][1]
            self.dense_halves[length, index] = self.read_base(ids[None])[0][0, second_half(length)].clone()
        return self.dense_halves[length, index]

    def measure(self, length: int, name: str, about: dict, read: Callable) -> dict:
        """One configuration on the windows of one length; `read(ids [B, T])` gives hidden states and live tokens."""
        entry = self.store.data["windows"].setdefault(str(length), {}).setdefault(name, about | {"rows": []})
        work = length / 2048 * (TOVA_COST if about["kind"] == "tova" else 1.0)
        texts, half = self.texts_of(length), second_half(length)
        seen = capped_tokens(length, length)[half].mean().item()
        self.progress.skip(work * len(entry["rows"]))
        while len(entry["rows"]) < len(texts):
            started, first = time.monotonic(), len(entry["rows"])
            group = texts[first : first + self.args.batch]
            hidden, live = read(torch.stack([ids for _, ids in group]))
            for place, (file, ids) in enumerate(group):
                base = self.dense_half(length, first + place)
                figures = compare(base, hidden[place, half], self.head, ids[1:][half].to(hidden.device))
                row = {"file": file, "seen": seen, "live": live[place, half].mean().item()} | figures
                entry["rows"].append({key: round(v, 6) if isinstance(v, float) else v for key, v in row.items()})
            self.store.save()
            text = f"{length} tokens, {name}, window {len(entry['rows'])}/{len(texts)}: kl {row['kl']:.4f}"
            text += f", {seen / row['live']:.2f}x, {time.monotonic() - started:.1f} s"
            self.progress.tick(work * len(group), text)
        return entry

    def curve(self, length: int) -> None:
        for offset in self.args.offsets:
            about = {"kind": "dms", "offset": offset}
            self.measure(length, f"dms@{offset:g}", about, lambda ids: self.read_dms(ids, offset))

    def at_ratio(self, length: int, ratio: float) -> None:
        """dms at the offset of a ratio, and both rules at the budget that dms had there."""
        found = self.store.data["windows"][str(length)]
        points = [(e["offset"], summary(e["rows"])["ratio"]) for e in found.values() if e["kind"] == "dms"]
        name = f"dms@{ratio:g}x"
        offset = found[name]["offset"] if name in found else round(offset_at(ratio, points), 3)
        about = {"kind": "dms", "offset": offset, "wanted": ratio}
        entry = self.measure(length, name, about, lambda ids: self.read_dms(ids, offset))
        budget = budget_for(summary(entry["rows"])["live"], length, second_half(length))
        for kind, rule in RULES.items():
            about = {"kind": kind, "budget": budget, "wanted": ratio}
            self.measure(length, f"{kind}@{ratio:g}x", about, lambda ids: self.read_base(ids, rule(budget), budget))

    def tasks(self) -> None:
        args = self.args
        counts = {"needle": args.needles, "tracking": args.tracking, "recall": args.recall}
        rows, first = self.store.data["tasks"], 0
        for length in args.task_lengths:
            for task, count in counts.items():
                cases = all_cases(self.tokenizer, args.data, length, {task: count}, args.seed)
                for case in cases[max(0, len(rows) - first) :]:
                    about = {"task": case.task, "length": length, "depth": round(case.depth, 3), "answer": case.answer}
                    rows.append(about | {"tokens": len(case.ids), "results": {}})
                if cases:
                    self.one_task(length, cases, [row["results"] for row in rows[first : first + count]])
                first += count

    def one_task(self, length: int, cases: list[Case], results: list[dict]) -> None:
        """Every system on one task's cases of one length; the rules get the mean of what dms held at the answers."""
        found = self.store.data["windows"][str(self.args.lengths[0])]
        # One length for all cases, so that they are read together; what stands behind a case changes nothing before.
        ids = torch.stack([nn.functional.pad(case.ids, (0, length - len(case.ids))) for case in cases])
        seen = capped_tokens(length, length)

        def run(name: str, cost: float, read: Callable) -> None:
            left = [index for index in range(len(cases)) if name not in results[index]]
            self.progress.skip(cost * length / 2048 * (len(cases) - len(left)))
            for start in range(0, len(left), self.args.batch):
                group = left[start : start + self.args.batch]
                hidden, live = read(ids[group])
                for place, index in enumerate(group):
                    case = cases[index]
                    counts = {"seen": seen[case.queries].mean().item(), "live": live[place, case.queries].mean().item()}
                    results[index][name] = score(hidden[place, : len(case.ids)], self.head, case) | counts
                self.store.save()
                right = sum(result[name]["right"] for result in results if name in result)
                text = f"{cases[0].task}, {length} tokens, {name}: {right} of {group[-1] + 1} right"
                self.progress.tick(cost * length / 2048 * len(group), text)

        run("dense", 1, lambda ids: self.read_base(ids))
        for ratio in self.args.ratios:
            offset = found[f"dms@{ratio:g}x"]["offset"]
            run(f"dms@{ratio:g}x", 1, lambda ids: self.read_dms(ids, offset))
            held = fmean(result[f"dms@{ratio:g}x"]["live"] for result in results)
            budget = max(SINKS + 1, round(held))
            for kind, rule in RULES.items():
                cost = TOVA_COST if kind == "tova" else 1
                run(f"{kind}@{ratio:g}x", cost, lambda ids: self.read_base(ids, rule(budget), budget))

    def run(self) -> None:
        for length in self.args.lengths:
            self.curve(length)
            write_report(Path(self.args.out), self.store.data)
            for ratio in self.args.ratios:
                self.at_ratio(length, ratio)
            write_report(Path(self.args.out), self.store.data)
        self.tasks()
        write_report(Path(self.args.out), self.store.data)


OPTIONS = "lengths windows offsets window ratios needles tracking recall task_lengths held seed".split()
"""What decides what is measured: a run resumes only under the same."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", required=True, help="the base that the sidecar was trained on")
    add("--tokenizer", help="a tokenizer.json in place of the model's own")
    add("--data", required=True, help="a folder of .jsonl or .jsonl.gz files; only its held-out part is read")
    add("--sidecar", required=True, help="what training wrote")
    add("--out", required=True, help="folder for what is found; the same again resumes")
    add("--lengths", type=int, nargs="+", default=[2048, 4096], help="of a window; tasks use the first's offsets")
    add("--windows", type=int, nargs="+", default=[6, 2], help="windows of each length")
    add("--offsets", type=float, nargs="+", default=[2, 3.5, 5, 7, 9, 12, 16])
    add("--window", type=int, help="recent tokens that no head gives up (default: the sidecar's)")
    add("--ratios", type=float, nargs="+", default=[4, 6], help="compression at which the untrained rules are compared")
    add("--needles", type=int, default=6, help="cases of each task")
    add("--tracking", type=int, default=6)
    add("--recall", type=int, default=6)
    add("--task-lengths", type=int, nargs="+", default=[1920], help="tokens that a task's prompts are filled to")
    add("--batch", type=int, default=1, help="windows or cases that are read together")
    add("--held", choices=["w8", "f32"], default="w8", help="merged weights in Q8_0, as shipped, or updates in float32")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu, cuda or mps")
    add("--compile", action="store_true", help="compile the layers: slow to start, a little faster afterwards")
    add("--seed", type=int, default=0)


def main(args: argparse.Namespace) -> None:
    Evaluation(args).run()
