#!/bin/sh
# Starts the program of this name in ../libexec with the libraries of this folder, wherever the folder lies. Only that
# program sees them: LD_LIBRARY_PATH stays as it is for what it starts.
self=$0
[ -L "$self" ] && self=$(readlink -f "$self")
case $self in */*) bin=${self%/*} ;; *) bin=. ;; esac
here=$(cd "$bin/.." && pwd)
name=${self##*/}
export OPAL_PREFIX="$here" OPAL_LIBDIR="$here/lib" OPAL_PKGLIBDIR="$here/lib/openmpi" OPAL_SYSCONFDIR="$here/etc"
export OPAL_DATADIR="$here/share" OPAL_PKGDATADIR="$here/share/openmpi"
export PMIX_INSTALL_PREFIX="$here" PMIX_LIBDIR="$here/lib" PMIX_PKGLIBDIR="$here/lib/pmix" PMIX_DATADIR="$here/share"
export PMIX_PKGDATADIR="$here/share/pmix" PMIX_SYSCONFDIR="$here/etc"
export HOME="${HOME:-/tmp}" # PMIx stops where there is none
# Without ssh Open MPI can start ranks on this machine and through Slurm; it would stop at its absence otherwise.
command -v ssh >/dev/null || command -v rsh >/dev/null || export OMPI_MCA_plm="${OMPI_MCA_plm:-^rsh}"
exec /lib64/ld-linux-x86-64.so.2 --library-path "$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
  --argv0 "$here/bin/$name" "$here/libexec/$name" "$@"
