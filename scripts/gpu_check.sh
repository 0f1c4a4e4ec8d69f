#!/usr/bin/env bash
# One command on a machine with a GPU: every GPU test, then the benchmark, tables last. Not passed unless every test ran.
#   scripts/gpu_check.sh OUT_FOLDER [BUNDLE_FOLDER]      (without a bundle: builds with the preset `cuda` for this GPU)
# STEERGRID_STREAM_LAYERS: to how many layers 70B's shape is cut for streaming (24: 46 GB under OUT_FOLDER for a while).
# STEERGRID_PEAK_TFLOPS: the device's rate, to give the benchmark's rates as a share of it. STEERGRID_TORCH_PYTHON: a
# Python with torch and transformers, to time the rivals (benchmarks/hf_caa_loop.py) after it.
set -euo pipefail
out=$1 bundle=${2:-}
root=$(cd "$(dirname "$0")/.." && pwd)
gpus=$(nvidia-smi -L 2>/dev/null || true)
if [[ $gpus != *GPU* ]]; then
  echo "gpu-check: no GPU here (nvidia-smi shows none): nothing was checked" >&2
  exit 1
fi
rm -rf "$out"
mkdir -p "$out"
if [ -n "$bundle" ]; then
  bundle=$(cd "$bundle" && pwd)
  tests=$bundle/bin steergrid=$bundle/bin/steergrid mpirun=$bundle/bin/mpirun
else
  cmake --preset cuda -DCMAKE_CUDA_ARCHITECTURES=native -S "$root" >"$out/configure.log"
  cmake --build "$root/build/cuda" --target cuda_links >"$out/build.log"
  tests=$root/build/cuda/tests/kernels/cuda steergrid=$root/build/cuda/steergrid mpirun=mpirun
fi

failed=0 rows=''
# check NAME COMMAND...: runs a Google Test program; all its tests must pass, none may skip, one at least must be there.
check() {
  local name=$1 log=$out/$1.log passed not_run status=0
  shift
  "$@" --gtest_brief=1 >"$log" 2>&1 || status=$?
  passed=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" | sort -n | sed -n 1p)
  not_run=$(sed -n 's/^\[  SKIPPED \] \([0-9]*\) test.*/\1/p' "$log" | sort -n | tail -1)
  rows+="| $name | ${passed:-0} | ${not_run:-0} | $status |"$'\n'
  [ $status -eq 0 ] && [ "${passed:-0}" -gt 0 ] && [ "${not_run:-0}" -eq 0 ] || failed=1
}
check test_kernels_cuda "$tests/test_kernels_cuda"
check test_pass_cuda "$tests/test_pass_cuda"
check test_pass_cuda_np2 "$mpirun" --oversubscribe --bind-to none -n 2 "$tests/test_pass_cuda"
check test_nccl "$tests/test_nccl"

# The GPU's memory in use, in MiB, sampled while a benchmark runs; whatever else uses the GPU counts too.
for model in llama-2-7b llama-2-13b; do
  : >"$out/$model.memory" # the sampler may be stopped before it starts
  nvidia-smi --id=0 --query-gpu=memory.used --format=csv,noheader,nounits -lms 100 >>"$out/$model.memory" &
  sampler=$!
  "$steergrid" bench --backend cuda --model "random:$model" --dtype bfloat16 --json "$out/$model.json" \
    ${STEERGRID_PEAK_TFLOPS:+--peak "$STEERGRID_PEAK_TFLOPS"} >"$out/$model.md" 2>"$out/$model.err" || failed=1
  kill $sampler 2>/dev/null || true
  wait $sampler 2>/dev/null || true
  if [ -n "${STEERGRID_TORCH_PYTHON:-}" ]; then
    "$STEERGRID_TORCH_PYTHON" "$root/benchmarks/hf_caa_loop.py" "random:$model" --device cuda --dtype bfloat16 \
      --questions 16 --json "$out/hf-$model.json" >"$out/hf-$model.md" 2>"$out/hf-$model.err" || failed=1
  fi
done

# Streaming from a cold cache: the shape of 70B cut to as many layers as a disk holds, each block read again for each phase.
layers=${STEERGRID_STREAM_LAYERS:-24} cut=$out/llama-2-70b-cut streaming=$out/streaming.md
needed=$(((layers * 172 + 120) / 100 + 2)) # GB: 1.72 a layer, 1.1 for embedding and head
free=$(df --output=avail -B1000000000 "$out" | tail -1)
if [ "$free" -lt "$needed" ]; then
  echo "streaming of 70B cut to $layers layers: not run ($needed GB wanted in $out, $free free)" >"$streaming"
else
  {
    "$steergrid" make-model "random:llama-2-70b,layers=$layers" -o "$cut" --dtype bfloat16 >"$out/make-model.log" &&
      sync && find "$cut" -type f -exec dd if={} iflag=nocache count=0 status=none \; &&
      echo "70B cut to $layers of 80 layers, weights streamed, cache dropped before:" &&
      "$steergrid" bench --backend cuda --model "$cut" --dtype bfloat16 --streamed --json "$out/streaming.json" \
        ${STEERGRID_PEAK_TFLOPS:+--peak "$STEERGRID_PEAK_TFLOPS"}
  } >"$streaming" 2>"$out/streaming.err" || failed=1
  rm -rf "$cut"
fi

printf '\n%s, %s\n' "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | sed -n 1p)" "$(date -u +%FT%TZ)"
printf '| GPU tests | passed | skipped | exit code |\n|---|---|---|---|\n%s' "$rows"
for model in llama-2-7b llama-2-13b; do
  printf '\n%s\n' "$model"
  cat "$out/$model.md" "$out/$model.err"
  most=$(sort -n "$out/$model.memory" | tail -1)
  printf '| memory of the GPU, largest sample of 10 a second | %s | | |\n' "${most:-no sample}${most:+ MiB}"
  [ ! -e "$out/hf-$model.md" ] || { echo; cat "$out/hf-$model.md"; tail -3 "$out/hf-$model.err"; }
done
echo
cat "$streaming"
[ ! -s "$out/streaming.err" ] || cat "$out/streaming.err"
[ -n "${STEERGRID_TORCH_PYTHON:-}" ] || printf '\nrivals in Python: not run (STEERGRID_TORCH_PYTHON is not set)\n'
if [ $failed -ne 0 ]; then
  echo "gpu-check: FAILED, see $out" >&2
  exit 1
fi
echo "gpu-check: passed"
