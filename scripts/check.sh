#!/usr/bin/env bash
# The long checks, after `make test`: formatting, lint, warnings as errors, sanitizers, the CUDA build, fuzzing, the
# bundle, long tests.
#   scripts/check.sh BUILD_FOLDER VENV RESULTS_FOLDER
set -euo pipefail
build=$1 venv=$2 results=$(mkdir -p "$3" && cd "$3" && pwd)
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
step() { printf '\n== %s (%(%H:%M:%S)T)\n' "$1" -1; }

step "clang-format"
git ls-files '*.h' '*.cpp' '*.cu' '*.cuh' | xargs clang-format --dry-run -Werror

step "clang-tidy"
scripts/lint.sh "$build"

step "build with clang, warnings as errors, AddressSanitizer and UndefinedBehaviorSanitizer"
cmake --preset asan -DSTEERGRID_WERROR=ON >/dev/null
cmake --build build/asan

step "tests under the sanitizers"
# MPI, OpenMP and their plugins keep memory until exit; leaks are looked for where no MPI is. Threads that wait leave
# their core to the test beside.
ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 OMP_WAIT_POLICY=passive \
  ctest --test-dir build/asan -j "$(nproc)" --label-exclude long --output-on-failure --output-junit "$results/ctest-asan.xml"

# bundled BUILD OUT: makes a bundle of a build, holds it to its size and tries it.
bundled() {
  local bytes
  scripts/bundle.sh "$1" "$2"
  bytes=$(du -sb "$2" | cut -f1)
  [ "$bytes" -lt 60000000 ] || { echo "$2: expected less than 60000000 bytes, found $bytes" >&2; exit 1; }
  scripts/try_bundle.sh "$2" "$build/steergrid" "$venv/bin/python" || [ $? -eq 77 ]
}

step "the CUDA build compiles and links for sm_80, sm_90 and sm_100; its bundle, moved to an empty root"
if command -v nvcc >/dev/null; then
  cmake --preset cuda -DSTEERGRID_WERROR=ON -DSTEERGRID_PYTHON="$root/$venv/bin/python" >/dev/null
  cmake --build build/cuda --target cuda_links steergrid_bundled test_kernels
  bundled build/cuda build/bundle-cuda
else
  echo "not compiled: this machine has no nvcc"
fi

step "fuzzing, 60 s for each reader of untrusted files"
scripts/fuzz.sh -max_total_time=60 -seed=1

step "the bundle, moved to an empty root"
cmake --build "$build" --target steergrid_bundled test_kernels
bundled "$build" build/bundle

step "long tests"
ctest --test-dir "$build" --output-on-failure --label-regex long --output-junit "$results/ctest-long.xml"
long_tests() {
  STEERGRID=$root/$build/steergrid STORE_WRITER=$root/$build/tests/store/store_writer \
    "$venv/bin/python" -m pytest -q -m long --junitxml="$results/pytest-$1.xml" "${@:2}"
}
long_tests long tests --ignore tests/slurm -n 2
long_tests slurm tests/slurm -n 2 # jobs wait for Slurm most of the time
