#!/bin/bash
# Tells what helps to read what is seen of this host from outside, as root: one fact a line.   usage: outlook.sh
#
#   seen-as ADDRESS          the other end of the SSH connection
#   holds PROTOCOL PORT WHO  who listens: a process, or the container that the port is published for
set -uo pipefail

# sudo removes the variable; the process that it was called from has it. Root comes here without sudo.
if [ -n "${SSH_CONNECTION:-}" ]; then
  echo "seen-as ${SSH_CONNECTION%% *}"
else
  tr '\0' '\n' </proc/$PPID/environ | sed -n 's/^SSH_CONNECTION=\([^ ]*\) .*/seen-as \1/p'
fi

ss -Hlntup | awk '{
  match($5, /[0-9]+$/); port = substr($5, RSTART)
  if (match($0, /users:\(\("[^"]+"/)) print "holds", $1, port, substr($0, RSTART + 9, RLENGTH - 10)
}'

command -v docker >/dev/null || exit 0
docker ps --format '{{.Names}} {{.Ports}}' | awk '{
  for (field = 2; field <= NF; field++)
    if (match($field, /:[0-9]+->/)) {
      port = substr($field, RSTART + 1, RLENGTH - 3)
      print "holds", ($field ~ /udp/ ? "udp" : "tcp"), port, "container " $1
    }
}'
