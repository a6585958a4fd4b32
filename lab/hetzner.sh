#!/bin/sh
# An emulator of the Hetzner Cloud API, whose servers are instances of the lab's LXD.
# usage: lab/hetzner.sh serve|clean|test [options]   more: lab/hetzner.sh --help
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -gt 0 ] || usage
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die "$(python3 --version) is too old for the emulator, which needs Python 3.11"
# -B: nothing is written into the clone. exec: the process that is started is the one to end.
[ "$1" != test ] || exec python3 -B -m unittest discover --quiet --start-directory "$LAB_DIR/hetzner"
exec python3 -B "$LAB_DIR/hetzner" "$@"
