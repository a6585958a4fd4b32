#!/bin/sh
# Makes everything that the end-to-end tests and the demo need, and says how long each part took.   usage: lab/up.sh
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 0 ] || usage
cd "$LAB_DIR"
all=$(now)
for step in tools.sh 'engine.sh up' debian.sh host-image.sh tracker-image.sh; do
  began=$(now)
  # shellcheck disable=SC2086 # a script and its arguments
  ./$step
  say "$step: $(($(now) - began)) s"
done
say "ready, after $(($(now) - all)) s"
