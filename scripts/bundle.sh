#!/usr/bin/env bash
# Makes a folder that runs on another x86-64 Linux with glibc >= 2.36 and no packages (with the CUDA 13 runtime and NCCL if
# the build has them): steergrid, Open MPI's mpirun and everything they need. The kernels' tests lie apart.
#   scripts/bundle.sh BUILD_FOLDER OUT_FOLDER      also makes OUT_FOLDER-tests, to be copied over it
set -euo pipefail
build=$(cd "$1" && pwd) out=$2
root=$(cd "$(dirname "$0")/.." && pwd)
rm -rf "$out" "$out-tests"
mkdir -p "$out/bin" "$out-tests/bin"
out=$(cd "$out" && pwd)
cmake -DBUILD="$build" -DOUT="$out" -P "$root/scripts/bundle.cmake" >"$out.log" || { cat "$out.log" >&2; exit 1; }
rm "$out.log"
find "$out/libexec" "$out/lib" "$out-tests/libexec" -type f -exec strip --strip-unneeded {} +
for part in "$out" "$out-tests"; do
  for program in "$part"/libexec/*; do
    install -m 755 "$root/scripts/bundle_launcher.sh" "$part/bin/$(basename "$program")"
  done
done
install -m 644 "$root/LICENSE" "$out/"
echo "$out: $(du -sb "$out" | cut -f1) bytes; start $out/bin/steergrid, or $out/bin/mpirun -n 3 $out/bin/steergrid run sweep.yaml"
echo "$out-tests: $(du -sb "$out-tests" | cut -f1) bytes"
