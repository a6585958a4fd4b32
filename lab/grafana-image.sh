#!/bin/sh
# Makes the image lab/grafana:stand-in, in the place of Grafana's server, which no package registry has.   usage: lab/grafana-image.sh
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 0 ] || usage
need_engine
build_image lab/grafana:stand-in lab/debian:trixie "$LAB_DIR/grafana"
