#!/usr/bin/env bash
# Builds the fuzz targets and runs each from its corpus in tests/fuzz/corpus, as many at a time as there are cores.
#   scripts/fuzz.sh [-runs=1000000 | -max_total_time=60]...     options of libFuzzer; default -runs=1000000
# A crash, a leak, undefined behaviour, an allocation far beyond the input's size or a hang fails it; the input is left
# in build/fuzz/found, what the target said in build/fuzz/NAME.log (of a part: NAME-PART.log).
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- -runs=1000000
if ! echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
  clang++ -fsanitize=fuzzer,address,undefined -x c++ - -o /dev/null 2>/dev/null; then
  echo "fuzzing skipped: this machine has no clang++ with libFuzzer (Debian: clang, libclang-rt-14-dev)"
  exit 0
fi
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz
export ASAN_OPTIONS=detect_leaks=1:quarantine_size_mb=16 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export found=build/fuzz/found
mkdir -p "$found"
run() { # name[/part] options
  local name=${1%/*} log=build/fuzz/${1/\//-}.log what=$1 begin=$SECONDS megabytes=16 # of one allocation
  shift
  if [ "$name" = result_file ]; then megabytes=0; fi # HDF5 may ask for more: that target has a limit of its own
  if [[ $what = */* ]]; then set -- "$@" -runs="$part_runs"; fi # the last one counts
  mkdir -p "build/fuzz/corpus/$name"
  if build/fuzz/tests/fuzz/fuzz_"$name" -max_len=65536 -malloc_limit_mb=$megabytes -rss_limit_mb=768 -timeout=20 \
    -verbosity=0 -print_final_stats=1 "$@" -artifact_prefix="$found/$name-" "build/fuzz/corpus/$name" \
    "tests/fuzz/corpus/$name" >"$log" 2>&1; then
    echo "fuzz $what: nothing found by $(awk '/number_of_executed_units/ {print $2}' "$log") inputs" \
      "in $((SECONDS - begin)) s"
  else
    echo "fuzz $what: FAILED"
    tail -60 "$log"
    for input in "$found/$name"-*; do ASAN_OPTIONS+=:symbolize=1 "build/fuzz/tests/fuzz/fuzz_$name" "$input" || true; done
    return 1
  fi
}
export -f run
# A count of runs is shared among the cores by the slowest target, which would end long after the others.
parts=(result_file) options=" $* "
case $options in
  *" -seed="*) ;; # the parts would do the same
  *" -runs="*)
    runs=${options##* -runs=} runs=${runs%% *}
    export part_runs=$(((runs + $(nproc) - 1) / $(nproc)))
    mapfile -t parts < <(seq -f "result_file/%g" "$(nproc)")
    ;;
esac
# Each runs to its end, whatever another one found; xargs fails if one failed.
printf '%s\n' "${parts[@]}" spec safetensors config behavior | xargs -P "$(nproc)" -I{} bash -c 'run "$@"' _ {} "$@"
