#!/bin/sh
# Makes the image lab/tracker:develop-stand-in: the real tracker 3.0.0 with the Prometheus output of newer builds.
# usage: lab/tracker-develop-image.sh
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 0 ] || usage
need_engine
have_image lab/tracker:3.0.0 || "$LAB_DIR/tracker-image.sh"
build_image lab/tracker:develop-stand-in lab/tracker:3.0.0 "$LAB_DIR/tracker-develop"
