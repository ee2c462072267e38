"""Makes sample.json: distributions that transformers' logits processors leave. Usage: python sample.py > sample.json"""

import json

import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

VOCAB = 96
SEEN = [0, 5, 31, 32, 33, 64, 77, 95]
# temperature, top_k, top_p, min_p, repetition_penalty
SETTINGS = [
    (1.0, 0, 1.0, 0.0, 1.0),
    (0.2, 0, 0.9, 0.0, 1.0),
    (0.7, 20, 1.0, 0.0, 1.0),
    (1.3, 0, 0.8, 0.0, 1.0),
    (1.0, 0, 1.0, 0.05, 1.0),
    (1.0, 0, 1.0, 0.0, 1.3),
    (0.6, 20, 0.95, 0.0, 1.0),
    (1.5, 40, 0.94, 0.005, 1.1),
    (2.5, 60, 0.97, 0.1, 1.5),
    (1.0, 1, 0.5, 0.5, 1.0),
]


def distribution(logits: torch.Tensor, settings: tuple) -> list[float]:
    temperature, top_k, top_p, min_p, penalty = settings
    processors = LogitsProcessorList()
    # The order in which GenerationMixin makes them.
    if penalty != 1.0:
        processors.append(RepetitionPenaltyLogitsProcessor(penalty))
    processors.append(TemperatureLogitsWarper(temperature))
    if top_k > 0:
        processors.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        processors.append(TopPLogitsWarper(top_p))
    if min_p > 0:
        processors.append(MinPLogitsWarper(min_p))
    scores = processors(torch.tensor([SEEN]), logits[None].clone())
    return [float(f"{p:.6g}") for p in torch.softmax(scores[0].double(), -1).tolist()]


def main() -> None:
    generator = torch.Generator().manual_seed(11)
    logits = (torch.randn(VOCAB, generator=generator) * 2.5 * 1024).round() / 1024
    # Three tokens tie where top-k of 20 cuts: all of them stay. Where top-p cuts among equals, transformers keeps some
    # of them by the order of its sort and Lethe keeps all, so no case does that.
    order = torch.argsort(logits, descending=True)
    logits[order[19:22]] = logits[order[19]].item()
    names = ["temperature", "topK", "topP", "minP", "repetitionPenalty"]
    cases = []
    for settings in SETTINGS:
        probabilities = distribution(logits, settings)
        kept = {str(i): p for i, p in enumerate(probabilities) if p > 0}
        cases.append({**dict(zip(names, settings)), "kept": kept})
    print(json.dumps({"logits": logits.tolist(), "seen": SEEN, "cases": cases}, separators=(",", ":")))


main()
