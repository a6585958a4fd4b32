#!/bin/sh
# Uses the Docker Engine that answers, or starts one of the lab's own.   usage: lab/engine.sh up|down|status
#   up      start an engine where none answers, and wait for it
#   down    stop it, but only if the lab started it
#   status  say which it is; exit code 1 when none answers
# With DOCKER_HOST=unix://SOCKET it is a second engine beside the usual one, in a network of its own that reaches
# nothing. LAB_ENGINE_ARGS replaces the address options.
set -eu
. "$(dirname -- "$0")/lib.sh"

# An engine is known by its socket: each has its own folder, so that two never share one.
case ${DOCKER_HOST:-unix:///var/run/docker.sock} in
  unix:///var/run/docker.sock | unix:///run/docker.sock)
    socket=/var/run/docker.sock dir=$LAB_CACHE/engine apart=
    # The range set aside for tests (198.18.0.0/15): lab traffic cannot be mistaken for another network's.
    network='--bip 198.18.0.1/24 --default-address-pool base=198.18.64.0/18,size=24' ;;
  unix://*)
    socket=${DOCKER_HOST#unix://} dir=$LAB_CACHE/engine-$(printf %s "$DOCKER_HOST" | cksum | cut -d' ' -f1)
    # Any engine makes docker0 and the firewall rules its own, and removes docker0 if told to do without.
    apart='unshare --net'
    network='--bip 198.19.64.1/24 --default-address-pool base=198.19.0.0/18,size=24' ;;
  *) socket='' dir='' network='' apart='' ;;
esac
network=${LAB_ENGINE_ARGS:-$network}
pidfile=$dir/dockerd.pid

answers() { timeout 10 docker info >/dev/null 2>&1; }

engine_pid() { alive "$pidfile" "$pidfile"; }
containerd_pid() { alive "$dir/exec/containerd/containerd.pid" "$dir/exec/containerd/containerd.toml"; }

start() {
  mkdir -p "$dir"
  need_root dockerd --host "unix://$socket" --group "$(id -gn)" --data-root "$dir/data" --exec-root "$dir/exec" --pidfile "$pidfile" "$network"
  # What an engine that was killed leaves: its containerd, and pid files that keep a new one from starting.
  ! orphan=$(containerd_pid) || stop_process "$orphan" 10
  as_root rm -f "$pidfile" "$dir/exec/containerd/containerd.pid"
  # shellcheck disable=SC2086 # options are words
  in_background "$dir/dockerd.log" $apart dockerd --host "unix://$socket" --group "$(id -gn)" --data-root "$dir/data" \
    --exec-root "$dir/exec" --pidfile "$pidfile" $network
  await_answer dockerd "$dir/dockerd.log"
}

up() {
  if ! answers; then
    ! { docker version 2>&1 || :; } | grep -q 'permission denied' ||
      die "an engine runs, but its socket refuses this user. Type this, log in again, then try again:
  sudo usermod -aG docker $(id -un)"
    [ -n "$socket" ] || die "no engine answers at $DOCKER_HOST, and the lab can start one on a unix:// socket only; unset DOCKER_HOST"
    command -v dockerd >/dev/null || die "dockerd is not installed; type: lab/tools.sh engine"
    lock engine 120
    if ! answers; then
      ! stuck=$(engine_pid) || stop_process "$stuck" 30
      start
      say "engine: started (process $(engine_pid), log $dir/dockerd.log)"
      return
    fi
  fi
  status
}

status() {
  answers || { say "engine: none answers"; return 1; }
  if pid=$(engine_pid); then owner="the lab's own, process $pid"; else owner="not the lab's, left alone"; fi
  say "engine: Docker $(docker info --format '{{.ServerVersion}}, {{.Driver}}, cgroup v{{.CgroupVersion}}') ($owner)"
}

down() {
  lock engine 120
  if pid=$(engine_pid); then
    containerd=$(containerd_pid) || containerd=
    stop_process "$pid" 60
    # It goes with its engine, unless that had to be killed.
    [ -z "$containerd" ] || ! runs "$containerd" || stop_process "$containerd" 10
    as_root rm -f "$pidfile"
    say "engine: stopped (was process $pid)"
  elif answers; then say "engine: not started by the lab, left running"
  else say "engine: none of the lab's runs"
  fi
}

case ${1-} in up) up ;; down) down ;; status) status ;; *) usage ;; esac
