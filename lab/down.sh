#!/bin/sh
# Removes the lab's hosts and stops the engine and the LXD, those that the lab started. Images and caches stay.   usage: lab/down.sh
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 0 ] || usage
! timeout 10 docker version >/dev/null 2>&1 || "$LAB_DIR/host.sh" clean
"$LAB_DIR/engine.sh" down
"$LAB_DIR/lxd.sh" down
