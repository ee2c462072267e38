#!/usr/bin/env bash
# A whole retrofit in one go: training that fits a time, then the full evaluation. Started again with the same
# arguments it goes on where it was, so a lease that ends early loses a few steps at most.
#   retrofit/whole_run.sh MODEL DATA OUT MINUTES [DEVICE] [more options of train, such as --init SIDECAR]
# MODEL a .gguf file or a folder; DATA a folder of .jsonl files; OUT gets sidecar.safetensors, log, plots, quality/;
# MINUTES for training alone; DEVICE cuda (default), cpu or mps. PYTHON names the interpreter.
set -euo pipefail
if [ $# -lt 4 ]; then
  sed -n '2,6s/^# //p' "$0" >&2
  exit 2
fi
model=$1 data=$2 out=$3 minutes=$4 device=${5:-cuda}
shift $(($# < 5 ? $# : 5))
python=${PYTHON:-python3}
export PYTHONPATH="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

# A range of offsets, so that one sidecar serves ratios from 4 to beyond 8; a GPU takes four sequences a step.
batch=1 read_together=1
if [ "$device" = cuda ]; then batch=4 read_together=4; fi
"$python" -m retrofit train --model "$model" --data "$data" --out "$out" --device "$device" \
  --lora 16 --window 128 --offset 8 --mild 10:4.2 --strong 3:13 --ramp 60 --warmup 10 --lr 5e-5 --lora-lr 1e-3 \
  --length 2048 --batch "$batch" --thin 2 --dtype bf16 --compile --minutes "$minutes" --save-every 20 "$@"
"$python" -m retrofit eval --model "$model" --data "$data" --sidecar "$out/sidecar.safetensors" --out "$out/quality" \
  --device "$device" --batch "$read_together" --windows 16 8 --offsets 12 8 6 4.5 3 --ratios 4 6 \
  --task-lengths 1000 2000
echo "Done: $out/sidecar.safetensors, and what it costs in $out/quality/quality.md."
