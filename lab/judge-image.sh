#!/bin/sh
# Makes the image lab/judge:tools, with the tools that judge rendered files.   usage: lab/judge-image.sh
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 0 ] || usage
need_engine
build_image lab/judge:tools lab/debian:trixie "$LAB_DIR/judge"
