#!/bin/sh
# Makes the image lab/tracker:schema-3: a strict stand-in for the tracker after release 3.0.0, with the real 3.0.0 inside.
# usage: lab/tracker-schema-3-image.sh
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 0 ] || usage
need_engine
lock tracker-schema-3
have_image lab/tracker:3.0.0 || "$LAB_DIR/tracker-image.sh"
have_image lab/debian:trixie || "$LAB_DIR/debian.sh"
build_image lab/tracker:schema-3 lab/tracker:3.0.0 "$LAB_DIR/tracker-schema-3"
