#!/usr/bin/env bash
# A private Slurm cluster for the time a command runs.
#   cluster.sh FOLDER NODES DEVICES COMMAND...
# A controller, munge and NODES nodes (n1, n2, ...) with DEVICES fake GPUs and 16 CPUs each, all in namespaces whose first
# process is a child of this one: however this process ends, the kernel ends them all, and nothing listens outside.
# FOLDER (fresh) takes configuration, state and logs; inside it is /srv. /srv/run/n1.pid is the node's process: kill -9
# of it is a crash of the node; `/srv/start_node n1` brings it back. Exits with COMMAND's code, or 99 if there is no
# cluster. Needs root, unshare and Debian's slurmctld, slurmd, slurm-client, munge, libpmix-dev and iproute2.
set -u
spaces=(--mount --uts --ipc --pid --fork --kill-child=KILL --mount-proc --propagation private)
if [ "${STEERGRID_CLUSTER:-outside}" = outside ]; then
  mkdir -p "$1" || exit 99
  STEERGRID_CLUSTER=inside exec unshare --net "${spaces[@]}" -- "$BASH" "$0" "$@"
fi
unset STEERGRID_CLUSTER
folder=$1 nodes=$2 devices=$3
shift 3
lost() { echo "cluster.sh: $*" >&2; tail -n 5 "$folder"/log/* >&2; exit 99; }

# A short path for sockets (their names hold 108 bytes), a name and an address of its own. The address must not be in
# 127/8: neither the resolver nor Open MPI would use it.
address=10.88.0.1
mount --bind "$folder" /srv && hostname head || lost "no namespaces"
mkdir -p /srv/etc /srv/state /srv/run /srv/log /srv/dev && chmod 755 /srv /srv/*
ip link set lo up && ip link add eth0 type veth peer name peer0 && ip addr add "$address/24" dev eth0 &&
  ip link set eth0 up && ip link set peer0 up || lost "no network"
{ echo "127.0.0.1 localhost"; echo "$address head $(seq -s ' ' -f 'n%g' "$nodes")"; } >/srv/etc/hosts
mount --bind /srv/etc/hosts /etc/hosts || lost "no /etc/hosts"
for ((i = 0; i < devices; i++)); do mknod "/srv/dev/nvidia$i" c 1 3 || lost "no device files"; done

export SLURM_CONF=/srv/etc/slurm.conf OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
sed -e "s/@ADDRESS@/$address/g; s/@NODES@/$nodes/g; s/@DEVICES@/$devices/g; s/@LAST_PORT@/$((7000 + nodes))/g" \
  "$(dirname "$0")/slurm.conf.in" >"$SLURM_CONF"
echo "NodeName=n[1-$nodes] Name=gpu File=/srv/dev/nvidia[0-$((devices - 1))]" >/srv/etc/gres.conf
printf 'CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n' >/srv/etc/cgroup.conf
: >/srv/etc/plugstack.conf
head -c 1024 /dev/urandom >/srv/etc/munge.key && chmod 400 /srv/etc/munge.key

# The node's own /dev/shm and host name keep Open MPI's shared memory of two nodes apart. `sh` stays its first process:
# slurmd would not reap what it inherits.
cat >/srv/start_node <<EOF
#!/bin/sh
mkdir -p /srv/spool.\$1 /srv/tmp.\$1
unshare ${spaces[*]} -- sh -c "hostname \$1 && mount -t tmpfs tmpfs /dev/shm && { slurmd -D -N \$1; exit 1; }" \\
  </dev/null >>/srv/log/slurmd.\$1.out 2>&1 &
echo \$! >/srv/run/\$1.pid
EOF
chmod 755 /srv/start_node

munged --foreground --key-file=/srv/etc/munge.key --socket=/srv/run/munge.sock --pid-file=/srv/run/munged.pid \
  --seed-file=/srv/run/munge.seed --log-file=/srv/log/munged.log </dev/null >/srv/log/munged.out 2>&1 &
for ((i = 0; i < 250; i++)); do [ -S /srv/run/munge.sock ] && break; sleep 0.02; done
slurmctld -D -i -c </dev/null >/srv/log/slurmctld.out 2>&1 &
controller=$!
for ((i = 1; i <= nodes; i++)); do /srv/start_node "n$i"; done
up() { [ "$(timeout 5 sinfo --noheader --Node --partition=main --states=idle --format=%N 2>/dev/null | wc -l)" = "$nodes" ]; }
for ((i = 0; i < 300; i++)); do
  up && break
  kill -0 "$controller" 2>/dev/null || lost "slurmctld ended"
  sleep 0.1
done
up || lost "the nodes did not come up"
"$@"
exit
