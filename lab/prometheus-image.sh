#!/bin/sh
# Makes the image lab/prometheus:2.53, the real Prometheus and promtool of Debian trixie.   usage: lab/prometheus-image.sh
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 0 ] || usage
need_engine
build_image lab/prometheus:2.53 lab/debian:trixie "$LAB_DIR/prometheus"
