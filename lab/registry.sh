#!/bin/sh
# Can the engine reach the registry of IMAGE? Tries it, for at most 15 s.   usage: lab/registry.sh IMAGE
# Exit code 0 when it can, 1 when it cannot; says which, and why not.
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 1 ] || usage
need_engine
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT
timeout 15 docker pull "$1" >"$answer" 2>&1 &
pull=$!
# The engine says "Pulling from" as soon as the registry has answered: the pull need not end for that.
while kill -0 $pull 2>/dev/null && ! grep -q 'Pulling from' "$answer"; do sleep 0.1; done
if grep -q 'Pulling from' "$answer"; then
  kill $pull 2>/dev/null || :
  say "$1: its registry answers"
else
  wait $pull || status=$?
  [ "${status-0}" -ne 124 ] || echo 'no answer within 15 s' >"$answer"
  say "$1: its registry cannot be reached ($(tail -n 1 "$answer"))"
  exit 1
fi
