#include "batch/job_body.h"

namespace steergrid {

std::string_view job_body() {
  return R"bash(# ---- From here on the same in every SteerGrid job ----
# Ends with 0: the sweep is done. 1: the run failed, or units did. 2: bad input. 75: stopped, unfinished; back in the
# queue unless it was cancelled. 76: two launches in a row finished no unit, so it is not requeued any more.
set -u
again=75 stuck=76
spec=${specs[${SLURM_ARRAY_TASK_ID:-0}]} output=${outputs[${SLURM_ARRAY_TASK_ID:-0}]}
job=$SLURM_JOB_ID
[ -n "${SLURM_ARRAY_JOB_ID:-}" ] && job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
say() { printf '%(%FT%T)T job %s restart %s: %s\n' -1 "$job" "${SLURM_RESTART_COUNT:-0}" "$*"; }
field() { "$steergrid" status "$output" --get "$1" 2>/dev/null || echo "$2"; }

# Signals. The handlers only pass on that it is time to stop. CONT comes with each signal and is not trapped: bash drops
# one of two trapped signals that arrive together.
pid= asked=
ask() { asked=$1; [ -n "$pid" ] && kill -USR1 "$pid" 2>/dev/null; say "$1: the ranks are asked to stop"; }
trap 'ask USR1' USR1
trap 'ask TERM' TERM

# Who sits where: a line a rank for srun, slots a node for mpirun. The coordinator is rank 0, on the first node.
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
hosts=$folder/hosts slots=$folder/slots ranks=1
export SLURM_HOSTFILE=$hosts SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:-1}
unset SLURM_NTASKS_PER_NODE  # srun would only warn that the list says otherwise
for node in $(scontrol show hostnames "$SLURM_JOB_NODELIST"); do
  here=$workers
  [ "$ranks" = 1 ] && { echo "$node"; here=$((workers + 1)); } >>"$hosts"
  for ((i = 0; i < workers; i++)); do echo "$node"; done >>"$hosts"
  echo "$node slots=$here" >>"$slots"
  ranks=$((ranks + workers))
done

# Progress over restarts: units that have ended, and how many launches in a row added none.
launched=$(field units.ended 0) stalls=0 last_job= last=0 last_stalls=0
if [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] && read -r last_job last last_stalls 2>/dev/null <"$output.progress" &&
  [ "$last_job" = "$job" ] && [ "$launched" -le "$last" ]; then stalls=$((last_stalls + 1)); fi
give_up() { say "two launches in a row finished no unit: not requeued"; exit "$stuck"; }
[ "$stalls" -ge 2 ] && give_up
mkdir -p "$(dirname "$output")" && echo "$job $launched $stalls" >"$output.progress"

# A cancelled job stays cancelled, and one that Slurm requeues is not requeued twice: only a job that still runs is.
state() { timeout 60 squeue -h -j "$SLURM_JOB_ID" -o %T 2>/dev/null; }
requeue() {
  local now
  now=$(state) || { sleep 5; now=$(state); }
  case $now in
    RUNNING | SIGNALING) ;;
    *) say "unfinished, and ${now:-of unknown state}: left alone"; exit "$again" ;;
  esac
  [ "$(field units.ended 0)" -le "$launched" ] && [ "$stalls" -ge 1 ] && give_up
  say "unfinished: requeued"
  scontrol requeue "$job" || exit "$again"
  sleep 300 & wait  # for the end that the requeue brings
  exit "$again"
}

# The ranks. A launch that a rank's death ended is repeated here, at most three times in a row without progress.
deaths=0
while :; do
  ended=$(field units.ended 0)
  [ -n "$asked" ] && requeue
  say "$ranks ranks on $SLURM_JOB_NODELIST, $ended units ended before"
  launch "$steergrid" run "$spec" --verbose "${run_options[@]}" & pid=$!
  [ -n "$asked" ] && kill -USR1 "$pid" 2>/dev/null
  while :; do wait "$pid"; rc=$?; kill -0 "$pid" 2>/dev/null || break; done
  wait "$pid" 2>/dev/null; late=$?; [ "$late" = 127 ] || rc=$late  # where a signal cut the wait short
  pid=
  finished=$(field finished false)  # the launcher's code alone proves nothing
  say "launch ended with $rc, finished: $finished"
  [ "$finished" = true ] && { rm -f "$output.progress"; exit 0; }
  case $rc in 1 | 2) exit "$rc" ;; esac
  if [ -n "$asked" ] || [ "$rc" = "$again" ]; then requeue; fi
  sleep 2 & wait $!  # Slurm may be about to say why
  [ -n "$asked" ] && requeue
  [ "$(field units.ended 0)" -gt "$ended" ] && deaths=0
  deaths=$((deaths + 1))
  [ "$deaths" -gt 3 ] && { say "ranks died in $deaths launches without progress"; exit 1; }
done
)bash";
}

}  // namespace steergrid
