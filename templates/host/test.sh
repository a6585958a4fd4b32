#!/bin/bash
# What can only be seen on the host itself, as root: one line a fact, "NAME<tab>ok|warning|failed<tab>WHAT WAS SEEN".
#
#   test.sh PATIENCE NAME COMMAND...
#     PATIENCE       for how many seconds what is not well is asked again
#     NAME COMMAND   pairs: what is checked, and the command for bash that tells, in /opt/torrust; exit code 77 is a
#                    warning, 100 a failure that asking again does not change
set -uo pipefail
patience=$1
# For commands that have to know what came before.
asked_at=$(date +%s)
export asked_at
shift

fact() { # fact NAME COMMAND
  local seen code state=ok
  while true; do
    seen=$(bash -c "$2" 2>&1)
    code=$?
    case $code in 0 | 77 | 100) break ;; esac
    [ "$SECONDS" -lt "$patience" ] || break
    sleep 0.5
  done
  case $code in 0) ;; 77) state=warning ;; *) state=failed ;; esac
  printf '%s\t%s\t%s\n' "$1" "$state" "$(printf '%s' "$seen" | tail -n 1)"
}

# Before the first release there is no such folder, and nothing is asked that needs it.
cd /opt/torrust 2>/dev/null || :
while [ $# -ge 2 ]; do
  fact "$1" "$2"
  shift 2
done
