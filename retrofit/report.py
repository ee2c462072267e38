"""What an evaluation found, for people: quality.md, curve.json and two pictures, all from quality.json."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

from .measure import summary

LABELS = {"dms": "dms", "window": "window", "tova": "TOVA"}
COLOURS = {"dense": "0.6", "dms": "C0", "window": "C1", "tova": "C2"}
TASKS = {"needle": "needle in prose", "tracking": "variable tracking", "recall": "recall in a chat"}


def kind_of(name: str) -> str:
    return name.split("@")[0]


def label_of(name: str) -> str:
    """`tova@4x` as it is printed: TOVA at 4x."""
    kind, _, where = name.partition("@")
    return f"{LABELS.get(kind, kind)} at {where}" if where else kind


def summaries(data: dict) -> dict[str, list[dict]]:
    """By length: a summary of every configuration that has rows, in the order in which they were measured."""
    found = {}
    for length, entries in data["windows"].items():
        described = lambda name, entry: {"name": name} | {k: v for k, v in entry.items() if k != "rows"}
        found[length] = [described(n, e) | summary(e["rows"]) for n, e in entries.items() if e["rows"]]
    return found


def task_counts(data: dict, length: int | None = None) -> dict[str, dict[str, dict]]:
    """By task and system: cases, right answers, right where dense is, and means over the cases (of one length)."""
    found: dict[str, dict[str, dict]] = {}
    for task in TASKS:
        chosen = [case for case in data["tasks"] if case["task"] == task and length in (None, case["length"])]
        cases = [case["results"] for case in chosen if "dense" in case["results"]]
        for name in dict.fromkeys(name for results in cases for name in results):
            both = [(results[name], results["dense"]) for results in cases if name in results]
            mean = lambda key: fmean(ours[key] for ours, _ in both)
            found.setdefault(task, {})[name] = {
                "cases": len(both),
                "right": sum(ours["right"] for ours, _ in both),
                "dense_right": sum(base["right"] for _, base in both),
                "both_right": sum(ours["right"] and base["right"] for ours, base in both),
                "tokens_right": mean("share"),
                "nll": mean("nll"),
                "ratio": mean("seen") / mean("live"),
            }
    return found


def curve(data: dict) -> list[dict]:
    """The offsets at the first length, for whoever offers a choice of ratio: perplexity as a change in parts of one."""
    rows = summaries(data).get(str(data["settings"]["lengths"][0]), [])
    window = data["settings"].get("window")
    keys = lambda row: {
        "offset": row["offset"],
        **({} if window is None else {"window": window}),
        "ratio": round(row["ratio"], 4),
        "perplexity": round(row["change_percent"] / 100, 6),
        "kl": round(row["kl"], 6),
    }
    # A ratio's offset may be one of those that were asked for.
    points = {row["offset"]: keys(row) for row in rows if row["kind"] == "dms"}
    return [points[offset] for offset in sorted(points)]


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown; the first column is text, the others are figures."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def windows_table(rows: list[dict]) -> str:
    cells = []
    for row in rows:
        setting = f"offset {row['offset']:g}" if row["kind"] == "dms" else f"budget {row['budget']}"
        name = LABELS[row["kind"]] + (f" at {row['wanted']:g}x" if "wanted" in row else "")
        error = "" if row["change_error"] is None else f" ± {row['change_error']:.2f}"
        change = f"{row['change_percent']:+.2f}{error}"
        figures = [f"{row['live']:.0f}", f"{row['ratio']:.2f}", f"{row['perplexity']:.3f}", change]
        cells.append([f"{name}, {setting}", *figures, f"{row['kl']:.4f}", f"{100 * row['top1']:.1f}"])
    head = ["", "live tokens", "ratio", "perplexity", "change, %", "KL, nats", "same top token, %"]
    return table(head, cells)


def tasks_table(overall: dict[str, dict], by_length: dict[int, dict[str, dict]]) -> str:
    """A row a system: at each length the ratio, right answers and how many of dense's they keep; means over all."""
    cells = []
    for name, total in overall.items():
        figures = []
        for rows in by_length.values():
            row = rows.get(name)
            kept = "" if name == "dense" or row is None else f" ({row['both_right']} of {row['dense_right']})"
            figures += ["", ""] if row is None else [f"{row['ratio']:.2f}", f"{row['right']} of {row['cases']}{kept}"]
        cells.append([label_of(name), *figures, f"{100 * total['tokens_right']:.0f}", f"{total['nll']:.2f}"])
    head = [words for length in by_length for words in (f"{length}: ratio", f"{length}: right (of dense's)")]
    return table(["", *head, "answer tokens right, %", "nats a token"], cells)


def depth_table(cases: list[dict], name: str) -> str:
    """Needles of one system: a row a length, a column a depth, from the start of the prompt to its end."""
    tasks = [case for case in cases if name in case["results"]]
    lengths = sorted({case["length"] for case in tasks})
    # Each length has its cases at the same depths; where exactly a needle stands depends on the sentences around it.
    in_order = lambda length: sorted((c for c in tasks if c["length"] == length), key=lambda case: case["depth"])
    mark = lambda case: "yes" if case["results"][name]["right"] else "no"
    rows = [[f"{label_of(name)}, {length} tokens", *map(mark, in_order(length))] for length in lengths]
    count = max(len(row) - 1 for row in rows)
    depths = [f"{100 * (index + 0.5) / count:.0f} %" for index in range(count)]
    return table(["depth", *depths], [row + [""] * (count + 1 - len(row)) for row in rows])


def introduction(data: dict) -> str:
    settings = data["settings"]
    held = {
        "w8": "each projection with an update as one merged weight in Q8_0, as it is shipped",
        "f32": "the updates beside the base in float32",
    }[settings["held"]]
    return f"""# What forgetting costs

Base `{data["base"]["name"]}` (SHA-256 `{data["base"]["sha256"]}`), sidecar `{data["sidecar"]["name"]}` (SHA-256
`{data["sidecar"]["sha256"]}`). All arithmetic is in float32 on dequantised weights; dms has {held}.
The key/value cache itself is not quantised here.

- **dense**: the untouched base, which sees everything.
- **dms**: the base under the sidecar. A smaller offset forgets more.
- **window**: the untouched base with the first {settings["sinks"]} tokens and the newest ones, original positions.
- **TOVA** (arXiv 2401.06104): the untouched base; when a layer is full, it loses the entry that the newest query,
  by the mean over the layer's heads, attends to least. The prompt is read token by token as well, as in decoding, so
  that no query sees more than the budget.

A query's live tokens are the keys that it sees, itself included; for dms the mean over layers and key/value heads,
which differ. The ratio is the mean number of tokens up to a query, divided by the mean of live tokens. Window and TOVA
have one budget for all layers: the whole number that gives the mean of live tokens that dms has at that ratio. dms may
use its tokens unevenly over heads and grows with the text; the rules' budgets stand still. "At 4x" names the ratio that
was aimed at: the offset is interpolated on the measured curve (outside it, the nearest offset measured); the column
`ratio` says what was reached.

"""


def windows_text(data: dict) -> str:
    text = ["## Held-out text\n"]
    for length, rows in summaries(data).items():
        files: dict[str, int] = {}
        for row in next(iter(data["windows"][length].values()))["rows"]:
            files[row["file"]] = files.get(row["file"], 0) + 1
        mix = ", ".join(f"{name} {count}" for name, count in files.items())
        text.append(
            f"### {length} tokens\n\n{rows[0]['windows']} windows ({mix}); queries of the second half only. Dense "
            f"perplexity {rows[0]['perplexity_dense']:.3f}. The change is paired, window by window; after ± stands its "
            "standard error over the windows, which are few. KL is KL(dense || other), a mean over positions.\n"
        )
        text.append(windows_table(rows))
    return "\n".join(text)


def tasks_text(data: dict) -> str:
    counts = task_counts(data)
    if not counts:
        return ""
    lengths = data["settings"]["task_lengths"]
    text = [f"""## Tasks

Prompts in the chat template, filled with held-out text to {" or ".join(map(str, lengths))} tokens. An answer is right
when every one of its tokens is the most likely one after the prompt and the answer's tokens before it: one forward a
case. dms runs at the offset that gave the ratio on text of {data["settings"]["lengths"][0]} tokens; the ratio in the
tables is that of the queries that answer. Window and TOVA have, for each task and length, the budget that dms held at
those queries in the mean. The base is small and misses answers itself: in brackets stands how many of those that the
dense base gets right are right here too. In variable tracking only the names are counted, not the commas between them.
"""]
    at_length = {length: task_counts(data, length) for length in lengths}
    for task, rows in counts.items():
        by_length = {length: found[task] for length, found in at_length.items() if task in found}
        text.append(f"### {TASKS[task][0].upper()}{TASKS[task][1:]}\n\n{tasks_table(rows, by_length)}")
        if task == "needle":
            needles = [case for case in data["tasks"] if case["task"] == task]
            text.append("By depth, 0 % being the start of the prompt:\n")
            text += [depth_table(needles, name) for name in rows]
    return "\n".join(text)


def plots():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def plot_offsets(found: dict[str, list[dict]], picture: Path) -> None:
    """Change in perplexity and KL against the ratio: a line of offsets a length, the rules as points."""
    plt = plots()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), constrained_layout=True)
    styles = [("-", "o", 1.0), ("--", "s", 0.6), (":", "D", 0.4)]
    for (length, rows), (line, marker, alpha) in zip(found.items(), styles):
        for kind in LABELS:
            points = sorted((row for row in rows if row["kind"] == kind), key=lambda row: row["ratio"])
            if not points:
                continue
            style = {
                "color": COLOURS[kind],
                "marker": marker,
                "alpha": alpha,
                "label": f"{LABELS[kind]}, {length} tokens",
            }
            style["linestyle"] = line if kind == "dms" else "none"
            ratios = [row["ratio"] for row in points]
            errors = [row["change_error"] or 0.0 for row in points]
            left.errorbar(ratios, [row["change_percent"] for row in points], errors, capsize=2, **style)
            right.plot(ratios, [row["kl"] for row in points], **style)
    left.set(xlabel="compression ratio", ylabel="change in perplexity, %")
    # Linear near zero, so that a gain can be shown beside a loss that is many times larger.
    left.set_yscale("symlog", linthresh=5)
    left.axhline(0, color="0.8", zorder=0)
    right.set(xlabel="compression ratio", ylabel="KL(dense || other), nats", yscale="log")
    right.legend(frameon=False, fontsize="small")
    figure.savefig(picture, dpi=120)
    plt.close(figure)


def plot_tasks(counts: dict[str, dict[str, dict]], picture: Path) -> None:
    """Right answers by task and system, in per cent of all cases."""
    plt = plots()
    figure, axes = plt.subplots(figsize=(9, 3.8), constrained_layout=True)
    names = list(dict.fromkeys(name for rows in counts.values() for name in rows))
    width = 0.8 / len(names)
    at_kind: dict[str, int] = {}
    for index, name in enumerate(names):
        kind = kind_of(name)
        at_kind[kind] = at_kind.get(kind, 0) + 1
        tasks = [(place, rows[name]) for place, rows in enumerate(counts.values()) if name in rows]
        places = [place + (index - (len(names) - 1) / 2) * width for place, _ in tasks]
        heights = [100 * row["right"] / row["cases"] for _, row in tasks]
        alpha = 1.0 if at_kind[kind] == 1 else 0.55
        axes.bar(places, heights, width * 0.9, color=COLOURS[kind], alpha=alpha, label=label_of(name))
    axes.set_xticks(range(len(counts)), [TASKS[task] for task in counts])
    axes.set(ylabel="right answers, %", ylim=(0, 105))
    axes.legend(frameon=False, fontsize="small", bbox_to_anchor=(1, 1), loc="upper left")
    figure.savefig(picture, dpi=120)
    plt.close(figure)


def write_report(out: Path, data: dict) -> None:
    """Writes what can be said so far beside quality.json."""
    found, counts = summaries(data), task_counts(data)
    (out / "quality.md").write_text(introduction(data) + windows_text(data) + "\n" + tasks_text(data))
    (out / "curve.json").write_text(json.dumps(curve(data), indent=1) + "\n")
    plot_offsets(found, out / "offsets.png")
    if counts:
        plot_tasks(counts, out / "tasks.png")
