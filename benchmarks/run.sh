#!/usr/bin/env bash
# Measures forks against the naive loop in float32 and bfloat16, prints a table and keeps it under benchmarks/results.
#   benchmarks/run.sh BUILD_FOLDER
# With STEERGRID_TORCH_PYTHON naming a Python that has torch and transformers, the rivals too. On a busy machine
# the figures mean little: both cores are used.
set -euo pipefail
build=$1
root=$(cd "$(dirname "$0")/.." && pwd)
cmake --build "$build" --target forks_bench
model=$(mktemp -d)
trap 'rm -rf "$model"' EXIT
out=$root/benchmarks/results/$(date -u +%Y-%m-%d)-$(git -C "$root" rev-parse --short=12 HEAD)
mkdir -p "$out"
rm -f "$out"/*.json
for dtype in float32 bfloat16; do
  "$build/forks_bench" --dtype "$dtype" --threads "$(nproc)" --model "$model" --json "$out/forks-$dtype.json" >/dev/null
  if [ -n "${STEERGRID_TORCH_PYTHON:-}" ]; then
    "$STEERGRID_TORCH_PYTHON" "$root/benchmarks/hf_caa_loop.py" "$model" --dtype "$dtype" --threads "$(nproc)" \
      --json "$out/hf-$dtype.json" >/dev/null
  fi
done
python3 "$root/benchmarks/table.py" "$out" | tee "$out/table.md"
