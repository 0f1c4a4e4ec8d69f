#!/usr/bin/env bash
# One command on a machine with a GPU: every GPU test, then the benchmark. Each part's table is shown and kept in OUT_FOLDER
# as soon as it is there, all of them once more last. Not passed unless every test ran.
#   scripts/gpu_check.sh OUT_FOLDER [BUNDLE_FOLDER]      (without a bundle: builds with the preset `cuda` for this GPU)
# STEERGRID_STREAM_LAYERS: to how many layers 70B's shape is cut for streaming, at most (24: 46 GB under OUT_FOLDER for a
# while; fewer where the disk is smaller or slow). STEERGRID_PEAK_TFLOPS: the device's rate, to give the benchmark's rates as a
# share of it. STEERGRID_TORCH_PYTHON: a Python with torch and transformers, to time the rivals
# (benchmarks/hf_caa_loop.py); where a bundle finds no CUDA libraries, this Python's packages give them.
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
  packages=$("${STEERGRID_TORCH_PYTHON:-python3}" -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null || true)
  [ -z "$packages" ] || export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$packages/cu13/lib:$packages/nccl/lib"
  "$steergrid" --version >/dev/null || { echo "gpu-check: this bundle does not start here" >&2; exit 1; }
else
  cmake --preset cuda -DCMAKE_CUDA_ARCHITECTURES=native -S "$root" >"$out/configure.log"
  cmake --build "$root/build/cuda" --target cuda_links >"$out/build.log"
  tests=$root/build/cuda/tests/kernels/cuda steergrid=$root/build/cuda/steergrid mpirun=mpirun
fi

[ "$(id -u)" -ne 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

failed=0
# check NAME COMMAND...: runs a Google Test program; all its tests must pass, none may skip, one at least must be there.
check() {
  local name=$1 log=$out/$1.log passed not_run status=0
  shift
  timeout 240 "$@" --gtest_brief=1 >"$log" 2>&1 || status=$?
  passed=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" | sort -n | sed -n 1p)
  not_run=$(sed -n 's/^\[  SKIPPED \] \([0-9]*\) test.*/\1/p' "$log" | sort -n | tail -1)
  printf '| %s | %s | %s | %s |\n' "$name" "${passed:-0}" "${not_run:-0}" "$status" | tee -a "$out/tests.md"
  [ $status -eq 0 ] && [ "${passed:-0}" -gt 0 ] && [ "${not_run:-0}" -eq 0 ] || failed=1
}
printf '| GPU tests | passed | skipped | exit code |\n|---|---|---|---|\n' | tee "$out/tests.md"
check test_kernels_cuda "$tests/test_kernels_cuda"
check test_pass_cuda "$tests/test_pass_cuda"
check test_pass_cuda_np2 "$mpirun" --oversubscribe --bind-to none -n 2 "$tests/test_pass_cuda"
check test_nccl "$tests/test_nccl"
count=$(if [ -n "${CUDA_VISIBLE_DEVICES:-}" ]; then tr , '\n' <<<"$CUDA_VISIBLE_DEVICES"; else echo "$gpus"; fi | grep -c .)
[ "$count" -lt 2 ] || check "test_nccl_np$count" "$mpirun" --oversubscribe --bind-to none -n "$count" "$tests/test_nccl"

# The GPU's memory in use, in MiB, sampled while a benchmark runs; whatever else uses the GPU counts too.
first_gpu=${CUDA_VISIBLE_DEVICES:-0}
for model in llama-2-7b llama-2-13b; do
  : >"$out/$model.memory" # the sampler may be stopped before it starts
  nvidia-smi --id="${first_gpu%%,*}" --query-gpu=memory.used --format=csv,noheader,nounits -lms 100 >>"$out/$model.memory" &
  sampler=$!
  {
    printf '\n%s\n' "$model"
    timeout 120 "$steergrid" bench --backend cuda --model "random:$model" --dtype bfloat16 --repeats 5 \
      --json "$out/$model.json" ${STEERGRID_PEAK_TFLOPS:+--peak "$STEERGRID_PEAK_TFLOPS"} 2>&1 || failed=1
    kill $sampler 2>/dev/null || true
    wait $sampler 2>/dev/null || true
    most=$(sort -n "$out/$model.memory" | tail -1)
    printf '| memory of the GPU, largest sample of 10 a second | %s | | |\n' "${most:-no sample}${most:+ MiB}"
  } >"$out/$model.md"
  cat "$out/$model.md"
  [ -n "${STEERGRID_TORCH_PYTHON:-}" ] || continue
  timeout 180 "$STEERGRID_TORCH_PYTHON" "$root/benchmarks/hf_caa_loop.py" "random:$model" --device cuda --dtype bfloat16 \
    --questions 16 --json "$out/hf-$model.json" >"$out/hf-$model.md" 2>"$out/hf-$model.err" || failed=1
  cat "$out/hf-$model.md"
  tail -3 "$out/hf-$model.err"
done

# Streaming from a cold cache: the shape of 70B cut to as many layers as the disk holds and takes in a minute, each block
# read again each time.
streaming=$out/streaming.md cut=$out/llama-2-70b-cut
# What streaming is to be held against: how fast the disk gives these files by itself, and the GPU alone, all in memory.
alone() {
  local begin took files size
  mapfile -t files < <(find "$cut" -name '*.safetensors' | sort | head -4)
  begin=$(date +%s%N)
  if [ ${#files[@]} -gt 0 ] &&
    printf '%s\0' "${files[@]}" | timeout 60 xargs -0 -P 4 -I{} dd if={} of=/dev/null bs=16M count=128 iflag=direct status=none; then
    took=$((($(date +%s%N) - begin) / 1000 + 1)) # microseconds: bytes each are MB/s
    size=$(stat -c %s "${files[@]}" | awk '{ sum += $1 < 2^31 ? $1 : 2^31 } END { printf "%.0f", sum }')
    printf '\nthe disk alone: %s MB/s (the first 2 GiB of %s files at once, past the page cache)\n' \
      $((size / took)) ${#files[@]}
  else
    printf '\nthe disk alone: not measured (no direct reads here)\n'
  fi
  printf '\nthe same %s layers in memory:\n' "$layers"
  timeout 60 "$steergrid" bench --backend cuda --model "random:llama-2-70b,layers=$layers" --dtype bfloat16 --repeats 3 \
    --json "$out/resident.json" ${STEERGRID_PEAK_TFLOPS:+--peak "$STEERGRID_PEAK_TFLOPS"} || echo "not measured"
}
layers=${STEERGRID_STREAM_LAYERS:-24}
at_most() { [ "$1" -ge "$layers" ] || layers=$1; }
free=$(df --output=avail -B1000000 "$out" | tail -1)
at_most $(((free - 3100) / 1720)) # MB: 1,720 a layer, 1,100 for embedding and head
if [ "$layers" -gt 1 ]; then
  begin=$(date +%s%N)
  dd if=/dev/zero of="$out/probe" bs=16M count=32 conv=fdatasync status=none
  rate=$((537000000 / ($(date +%s%N) / 1000 - begin / 1000 + 1))) # MB/s
  rm "$out/probe"
  at_most $((rate * 60 / 1720 + 1))
fi
if [ "$layers" -lt 1 ]; then
  printf '\nstreaming of a 70B cut to some layers: not run (4820 MB wanted in %s, %s free)\n' "$out" "$free" >"$streaming"
else
  status=0
  {
    timeout 120 "$steergrid" make-model "random:llama-2-70b,layers=$layers" -o "$cut" --dtype bfloat16 \
      >"$out/make-model.log" &&
      printf '\n70B cut to %s of 80 layers, weights streamed, page cache dropped before each time:\n' "$layers" &&
      timeout 150 "$steergrid" bench --backend cuda --model "$cut" --dtype bfloat16 --streamed --cold --repeats 1 \
        --json "$out/streaming.json" ${STEERGRID_PEAK_TFLOPS:+--peak "$STEERGRID_PEAK_TFLOPS"}
  } >"$streaming" 2>&1 || status=$?
  [ $status -ne 124 ] || printf '\nstreaming: not measured, this disk is too slow for %s layers\n' "$layers" >>"$streaming"
  [ $status -eq 0 ] || [ $status -eq 124 ] || failed=1
  alone >>"$streaming" 2>&1
  rm -rf "$cut"
fi
cat "$streaming"

printf '\n======\n%s, %s\n' "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader | sed -n 1p)" "$(date -u +%FT%TZ)"
cat "$out/tests.md" "$out/llama-2-7b.md" "$out"/hf-llama-2-7b.md "$out/llama-2-13b.md" "$out"/hf-llama-2-13b.md \
  "$streaming" 2>/dev/null || true
[ -n "${STEERGRID_TORCH_PYTHON:-}" ] || printf '\nrivals in Python: not run (STEERGRID_TORCH_PYTHON is not set)\n'
if [ $failed -ne 0 ]; then
  echo "gpu-check: FAILED, see $out" >&2
  exit 1
fi
echo "gpu-check: passed"
