#!/usr/bin/env bash
# Installs what is missing of SteerGrid's dependencies with apt. Debian 12 is tested; other systems are not.
#   scripts/install_dependencies.sh [check]     with "check": also what `make check` needs
set -euo pipefail

packages=(
  g++ cmake ninja-build make git pkg-config ccache
  libopenmpi-dev openmpi-bin libhdf5-openmpi-dev libyaml-cpp-dev libdnnl-dev ocl-icd-opencl-dev libsentencepiece-dev
  nlohmann-json3-dev libcli11-dev libspdlog-dev libfmt-dev libxxhash-dev zlib1g-dev libgtest-dev libgmock-dev
  python3 python3-venv
)
if [ "${1:-}" = check ]; then
  packages+=(clang clang-format clang-tidy libclang-rt-14-dev libomp-dev hdf5-tools chromium)
  packages+=(slurmctld slurmd slurm-client munge libpmix-dev iproute2)  # tests/slurm; srun needs libpmix.so
fi

if ! command -v dpkg >/dev/null; then
  echo "SteerGrid: this system has no dpkg (Debian 12 is tested; others untested)." >&2
  echo "Install the equivalents of these Debian packages yourself, then run cmake --preset release:" >&2
  printf '  %s\n' "${packages[@]}" >&2
  # Go on where the build tools are there: cmake names any library it misses.
  command -v cmake >/dev/null && command -v mpicc >/dev/null && exit 0
  exit 1
fi

missing=()
for package in "${packages[@]}"; do
  dpkg -s "$package" 2>/dev/null | grep -q '^Status: install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "SteerGrid: installing ${missing[*]}"
sudo=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "SteerGrid: not root and no sudo. Ask your administrator for: ${missing[*]}" >&2
    echo "(on a cluster, see docs/building.md, \"A cluster without root\")" >&2
    exit 1
  }
  sudo=sudo
fi
$sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
