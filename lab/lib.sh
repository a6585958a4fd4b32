# Shared by the lab's scripts, sourced by each of them first.
# shellcheck shell=sh

LAB_DIR=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
LAB_CACHE=${DEPLOYER_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/torrust-tracker-deployer/lab}
# shellcheck disable=SC2034 # used by the scripts
# Everything the lab makes in an engine carries this label, so that what a killed run left can be found.
LAB_LABEL=torrust-tracker-deployer.lab
# An ordinary user's PATH lacks where dockerd and iptables are.
PATH=$PATH:/usr/sbin:/sbin
# Builds must work where no BuildKit is: the classic builder is the common ground.
export DOCKER_BUILDKIT=0
# An older Go fetches the one that a module asks for.
export GOTOOLCHAIN=auto
ROOT=''
[ "$(id -u)" -eq 0 ] || ROOT='sudo -n'
mkdir -p "$LAB_CACHE"
. "$LAB_DIR/env.sh"

say() { printf 'lab: %s\n' "$*"; }
die() { printf 'lab: %s\n' "$*" >&2; exit 1; }

# The usage text is the comment at the head of the script, so that there is one of it.
usage() { sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p;}' "$0" >&2; exit 2; }

# One second is the finest that POSIX offers.
now() { date +%s; }

have_image() { docker image inspect "$1" >/dev/null 2>&1; }

need_engine() {
  timeout 10 docker version >/dev/null 2>&1 || die "no Docker Engine answers; start one: lab/engine.sh up"
}

# Ends the script, with the command to type, where it cannot be run as root.
need_root() {
  $ROOT true 2>/dev/null || die "root is needed, and sudo does not grant it without a password. Type this, then try again:
  sudo $*"
}

as_root() { $ROOT "$@"; }

# Holds the lock NAME until this script ends; a second caller waits and says for what.
lock() {
  exec 9>"$LAB_CACHE/$1.lock"
  flock -n 9 || { say "another lab script works on $1; waiting"; flock -w "${2:-900}" 9 || die "$1 is still busy"; }
}

# The process id in FILE, if that process was started with MARK in its command line: a number alone may belong to
# another process by now.
alive() {
  [ -s "$1" ] || return 1
  pid=$(cat "$1")
  tr '\0' '\n' 2>/dev/null <"/proc/$pid/cmdline" | grep -qxF -- "$2" || return 1
  echo "$pid"
}

# A process that ended stays in /proc, without a command line, until its parent asks for it: where the machine has no
# proper init that is for ever.
runs() { grep -q . "/proc/$1/cmdline" 2>/dev/null; }

# Stops the process PID: politely, after SECONDS by force.
stop_process() {
  as_root kill "$1" 2>/dev/null || return 0
  deadline=$(($(now) + $2))
  while runs "$1"; do
    [ "$(now)" -lt "$deadline" ] || { as_root kill -9 "$1" 2>/dev/null || :; sleep 1; break; }
    sleep 0.2
  done
}

# in_background LOG COMMAND...: as root. It must not inherit the lock, which would then be held for as long as it lives.
in_background() {
  log=$1; shift
  (
    exec 9>&- </dev/null >"$log" 2>&1
    exec $ROOT setsid "$@"
  ) &
}

# await_answer NAME LOG: until the function `answers` is true, for the program last started in the background.
await_answer() {
  deadline=$(($(now) + 60))
  until answers; do
    kill -0 $! 2>/dev/null || { tail -n 15 "$2" >&2; die "$1 ended at its start (whole log: $2)"; }
    [ "$(now)" -lt "$deadline" ] || die "$1 does not answer after 60 s (log: $2)"
    sleep 0.2
  done
}

is_debian() { grep -qx 'ID=debian' /etc/os-release; }

# sources SUITE FOLDER: writes this machine's own apt sources there, for that suite. sid has neither updates nor security.
sources() {
  . /etc/os-release
  rm -rf "$2" && mkdir -p "$2"
  for own in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
    [ -s "$own" ] || continue
    uri=$(sed -nE 's/^(URIs:|deb) *([^ ]+).*/\2/p' "$own" | head -n 1)
    if [ "$1" = sid ]; then echo "deb $uri sid main" >"$2/sid.list"
    else sed "s/$VERSION_CODENAME/$1/g" "$own" >"$2/${own##*/}"
    fi
  done
}

# Runs a command with its output in a log; shows the log's end if it fails.
quietly() {
  log=$1; shift
  "$@" >"$log" 2>&1 || { tail -n 25 "$log" >&2; die "failed: $1 (whole output: $log)"; }
}

# build_image IMAGE BASE CONTEXT: builds it on lab/debian, unless it was made from these very files on this very base.
build_image() {
  have_image "$2" || "$LAB_DIR/debian.sh" "${2#*:}"
  base=$(docker image inspect --format '{{.Id}}' "$2")
  stamp=$(cd "$3" && { echo "$base"; find . -type f | sort | xargs cksum; } | cksum | tr ' ' -)
  is=$(docker image inspect --format "{{index .Config.Labels \"$LAB_LABEL.stamp\"}}" "$1" 2>/dev/null || :)
  [ "$is" != "$stamp" ] || { say "$1: there"; return; }
  began=$(now)
  say "$1: building, some 30 s"
  quietly "$LAB_CACHE/$(printf %s "$1" | tr '/:' '--').log" docker build --build-arg "BASE_IMAGE=$2" \
    --label "$LAB_LABEL=image" --label "$LAB_LABEL.stamp=$stamp" -t "$1" "$3"
  say "$1: made in $(($(now) - began)) s"
}
