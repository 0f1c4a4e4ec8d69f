#!/usr/bin/env bash
# Tries a bundle (scripts/bundle.sh) in an empty root: glibc's libraries, a shell and the folder, moved; nothing else. Runs a
# small sweep of the demo model and of a synthetic one, alone and under the bundle's mpirun -n 3, and compares the bits
# with those of the build's own program, outside. A bundle with CUDA also gets the libraries of CUDA and NCCL that it needs,
# and must say so where there is no GPU.
#   scripts/try_bundle.sh BUNDLE_FOLDER STEERGRID PYTHON     (a Python with h5py and numpy, for the comparison)
# Exits with 77 and a reason where chroot is not allowed.
set -euo pipefail
bundle=$(cd "$1" && pwd) steergrid=$(realpath "$2") python=$3
repository=$(cd "$(dirname "$0")/.." && pwd)
skip() { echo "bundle not tried: $1"; exit 77; }
[ "$(id -u)" -eq 0 ] || skip "chroot needs root"
chroot / true 2>/dev/null || skip "chroot is not allowed here"
unshare -m true 2>/dev/null || skip "no mount namespaces here, so no /proc, /sys and /dev for the new root"

root=$(mktemp -d)
trap 'rm -rf --one-file-system "$root"' EXIT
mkdir -p "$root"/{bin,lib64,lib/x86_64-linux-gnu,proc,sys,dev,tmp,opt/elsewhere,work}
cp -L /lib64/ld-linux-x86-64.so.2 "$root/lib64/"
for name in libc.so.6 libm.so.6 libpthread.so.0 libdl.so.2 librt.so.1 libresolv.so.2 libutil.so.1; do
  cp -L "/lib/x86_64-linux-gnu/$name" "$root/lib/x86_64-linux-gnu/"
done
cp -L /bin/sh /bin/readlink "$root/bin/"
cuda=$(ldd "$bundle/libexec/steergrid" | awk '/lib(cuda|cublas|nccl)[A-Za-z]*\.so/ { print $3 }')
if [ -n "$cuda" ]; then
  mkdir "$root/opt/cuda"
  xargs cp -L -t "$root/opt/cuda" <<<"$cuda"
fi
cp -R "$bundle" "$root/opt/elsewhere/bundle"
cp -R "$bundle-tests/." "$root/opt/elsewhere/bundle"
cp -R "$repository/jobs/demo/models/demo-0.3m" "$repository/jobs/demo/behaviors" "$root/work/"
for name in alone together outside; do
  cat >"$root/work/$name.yaml" <<YAML
name: tried
output: $name.h5
models:
  - { name: demo, path: demo-0.3m }
  - { name: made-up, path: "random:hidden=64,layers=2,heads=4,vocabulary=300" }
behaviors:
  - name: refusal
    pairs: { file: behaviors/refusal/generate_dataset.json, limit: 8 }
    questions: { file: behaviors/refusal/test_dataset_ab.json, limit: 3 }
coefficients: [0, 1]
units: { pairs: 4, questions: 1 }
YAML
done

# inside COMMAND...: runs it in the new root, with /proc, /sys and /dev (shared memory) of this machine and nothing of its
# environment.
inside() {
  env -i PATH=/bin ${cuda:+LD_LIBRARY_PATH=/opt/cuda} OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 \
    "$(command -v unshare)" -m -- /bin/sh -c \
    'mount=/usr/bin/mount; [ -x $mount ] || mount=/bin/mount; $mount -t proc proc "$0/proc" &&
     $mount --rbind /dev "$0/dev" && $mount --rbind /sys "$0/sys" && exec '"$(command -v chroot)"' "$0" "$@"' "$root" "$@"
}
bin=/opt/elsewhere/bundle/bin
inside $bin/steergrid --version
inside $bin/steergrid run --threads 1 /work/alone.yaml
inside $bin/mpirun --oversubscribe --bind-to none -n 3 $bin/steergrid run --threads 1 /work/together.yaml
inside $bin/test_kernels --gtest_filter='Philox.*:SyntheticWeights.*' --gtest_brief=1
if [ -n "$cuda" ] && ! [ -e /dev/nvidia0 ]; then
  inside $bin/test_kernels_cuda --gtest_brief=1 | grep -F 'no CUDA device' >/dev/null
  said=$(inside $bin/steergrid bench --backend cuda --model /work/demo-0.3m 2>&1) && said="nothing, and ended with 0"
  [[ $said == *"no CUDA device"* ]] || { echo "without a GPU: expected an error that says so, found: $said" >&2; exit 1; }
fi
(cd "$root/work" && OMP_NUM_THREADS=1 "$steergrid" run --threads 1 outside.yaml)
"$python" - "$root"/work/{outside,alone,together}.h5 <<'PYTHON'
import sys

import h5py


def datasets(path):
    found = {}
    with h5py.File(path) as file:
        file["models"].visititems(lambda name, node: found.update({name: node[()].tobytes()}
                                  if isinstance(node, h5py.Dataset) and node.dtype.kind in "fiu" else {}))
    return found


outside, *inside = map(datasets, sys.argv[1:])
assert len(outside) > 20 and {"demo/runs/refusal/letter_logprob", "made-up/runs/refusal/letter_logprob"} <= outside.keys()
for path, found in zip(sys.argv[2:], inside):
    different = sorted(name for name in outside.keys() | found.keys() if outside.get(name) != found.get(name))
    assert not different, (path, different)
print(f"bundle: {len(outside)} datasets, in an empty root alone and on 3 ranks, have the bits of the build's own program")
PYTHON
