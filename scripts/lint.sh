#!/usr/bin/env bash
# clang-tidy over src/ and kernels/.
#   scripts/lint.sh BUILD_FOLDER
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
log=$root/$1/tidy.log
# The build may be one of g++ with -Werror, some of whose warnings clang does not know.
run-clang-tidy-14 -quiet -extra-arg=-Wno-unknown-warning-option -p "$root/$1" -j "$(nproc)" "$root/(src|kernels)/.*\.cpp" 2>/dev/null >"$log" ||
  { grep -E "(warning|error):" "$log" | sort -u || tail "$log"; exit 1; }
