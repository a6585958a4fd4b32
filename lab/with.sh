#!/bin/sh
# Runs COMMAND with the lab up. An engine that was started for it is stopped by the last of the runs that use it.
# usage: lab/with.sh COMMAND [ARGUMENT...]
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -gt 0 ] || usage
use=$LAB_CACHE/use-$(printf %s "${DOCKER_HOST:-}" | cksum | cut -d' ' -f1)

# Every run shares this lock, so only who is alone gets it for itself. Nothing that a run starts may inherit it: an
# engine or an ssh connection that stays would hold it.
exec 8>"$use.lock"
alone() { flock --exclusive --nonblock 8; }

# A mark without a user is of a run that was killed; whose the engine is now, nobody knows.
! alone || rm -f "$use.started"
flock --shared 8
leave() {
  alone && [ -e "$use.started" ] || return 0
  "$LAB_DIR/engine.sh" down 8>&-
  rm "$use.started"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

"$LAB_DIR/tools.sh" engine 8>&-
"$LAB_DIR/engine.sh" status >/dev/null 2>&1 8>&- || : >"$use.started"
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
