#!/bin/sh
# Makes the image lab/acme, a real ACME server with a name server.   usage: lab/acme-image.sh
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 0 ] || usage
need_engine
lock acme-image
build_image lab/acme lab/debian:trixie "$LAB_DIR/acme"
