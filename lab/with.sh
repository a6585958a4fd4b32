#!/bin/sh
# Runs COMMAND with the lab up. What was started for it, engine or LXD, is stopped by the last of the runs that use it.
# usage: lab/with.sh COMMAND [ARGUMENT...]
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -gt 0 ] || usage
started=$LAB_CACHE/started

# Every run shares this lock, so only who is alone gets it for itself. Nothing that a run starts may inherit it: an
# engine or an ssh connection that stays would hold it.
exec 8>"$LAB_CACHE/use.lock"
alone() { flock --exclusive --nonblock 8; }

# A mark without a user is of a run that was killed; whose the engine is now, nobody knows.
! alone || rm -rf "$started"
flock --shared 8
mkdir -p "$started"
# mark PART [ID]: by the one that starts it. The mark tells which engine it is.
mark() { "$LAB_DIR/$1.sh" status >/dev/null 2>&1 8>&- || printf %s "${DOCKER_HOST:-}" >"$started/$1${2:+.$2}"; }
leave() {
  alone || return 0
  for mark in "$started"/*; do
    [ -e "$mark" ] || continue
    part=${mark##*/}
    DOCKER_HOST=$(cat "$mark") "$LAB_DIR/${part%%.*}.sh" down 8>&-
  done
  rm -rf "$started"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"$LAB_DIR/tools.sh" engine lxd 8>&-
mark engine "$(printf %s "${DOCKER_HOST:-}" | cksum | cut -d' ' -f1)"
mark lxd
"$LAB_DIR/up.sh" 8>&-

# A shell runs traps only while it waits, and its background commands would be deaf to the terminal's INT.
env --default-signal=INT,QUIT "$@" <&0 8>&- &
command=$!
trap 'kill "$command"' TERM
trap : INT
while :; do
  wait "$command" && code=0 || code=$?
  # A signal ends the wait, too.
  kill -0 "$command" 2>/dev/null || exit "$code"
done
