"""Makes rmsnorm.json from torch.nn.functional.rms_norm in double precision. Usage: python rmsnorm.py > rmsnorm.json"""

import json

import torch

ROWS, COLS, EPS = 3, 64, 1e-5


def main() -> None:
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(ROWS, COLS, generator=generator).half().double() * torch.tensor([[1.0], [30.0], [0.001]])
    x = x.float()
    weight = (1 + 0.2 * torch.randn(COLS, generator=generator)).half().float()
    y = torch.nn.functional.rms_norm(x.double(), (COLS,), weight.double(), EPS)
    flat = {
        name: [float(f"{v:.9g}") for v in t.flatten().tolist()]
        for name, t in {"x": x, "weight": weight, "y": y}.items()
    }
    print(json.dumps({"rows": ROWS, "cols": COLS, "eps": EPS, **flat}, separators=(",", ":")))


main()
