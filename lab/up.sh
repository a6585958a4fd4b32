#!/bin/sh
# Makes everything that the end-to-end tests and the demo need, and says how long each part took.   usage: lab/up.sh
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 0 ] || usage
cd "$LAB_DIR"
all=$(now)
# First what may fail on a machine, last what takes long.
for step in tools.sh 'engine.sh up' 'lxd.sh up' host-image.sh 'host-image.sh bookworm' 'image.sh judge' 'lxd.sh image' \
  tofu.sh providers.sh 'image.sh mysql' 'image.sh postgresql' 'image.sh prometheus' caddy-image.sh 'image.sh acme' tracker-image.sh \
  tracker-schema-3-image.sh tracker-variants.sh 'image.sh grafana'; do
  began=$(now)
  # shellcheck disable=SC2086 # a script and its arguments
  ./$step
  say "$step: $(($(now) - began)) s"
done
say "ready, after $(($(now) - all)) s"
