"""`python -m retrofit train|eval|export|golden`."""

from __future__ import annotations

import argparse
import sys

from . import evaluate, export, golden, train


def main() -> int:
    parser = argparse.ArgumentParser(prog="retrofit", description="Give a language model trained eviction.")
    commands = parser.add_subparsers(dest="command", required=True)
    trainer = commands.add_parser("train", help="train gates, and low-rank updates beside them")
    train.add_arguments(trainer)
    trainer.set_defaults(run=train.main)
    evaluator = commands.add_parser("eval", help="measure what forgetting costs beside two untrained rules")
    evaluate.add_arguments(evaluator)
    evaluator.set_defaults(run=evaluate.main)
    exporter = commands.add_parser("export", help="write a directory that NVIDIA's loader and Lethe read")
    export.add_arguments(exporter)
    exporter.set_defaults(run=export.main)
    maker = commands.add_parser("golden", help="write what a retrofit computes on given prompts, for tests")
    golden.add_arguments(maker)
    maker.set_defaults(run=golden.main)
    args = parser.parse_args()
    try:
        args.run(args)
    except (FileNotFoundError, ValueError) as error:
        print(f"retrofit: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
