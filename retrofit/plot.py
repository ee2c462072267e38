"""Pictures of a run."""

from __future__ import annotations

import json
from pathlib import Path


def plot_run(log: Path, picture: Path) -> None:
    """KL, share of flagged tokens against its target, and the compression that it stands for."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = [json.loads(line) for line in log.read_text().splitlines()]
    steps = [row["step"] for row in rows]
    column = lambda name: [row[name] for row in rows]
    loss = [row["kl"] + max(0.0, row["target"] - row["flagged"]) for row in rows]
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 3.6), constrained_layout=True)
    left.plot(steps, loss, label="loss", color="0.7")
    left.plot(steps, column("kl"), label="KL")
    left.set(xlabel="step", ylabel="nats", yscale="log")
    middle.plot(steps, column("flagged"), label="flagged")
    middle.plot(steps, column("target"), label="target", linestyle=":")
    middle.set(xlabel="step", ylabel="share of tokens")
    right.plot(steps, [1 / max(1e-3, 1 - row["flagged"]) for row in rows], label="flagged")
    right.plot(steps, [1 / max(1e-3, 1 - row["target"]) for row in rows], label="target", linestyle=":")
    right.set(xlabel="step", ylabel="compression beyond the window")
    for axes in (left, middle, right):
        axes.legend(frameon=False)
    figure.savefig(picture, dpi=120)
    plt.close(figure)
