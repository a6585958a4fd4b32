#!/bin/sh
# Makes the SSH host image lab/host:SUITE from templates/docker on lab/debian:SUITE.   usage: lab/host-image.sh [SUITE]
set -eu
. "$(dirname -- "$0")/lib.sh"
suite=${1:-trixie}
case $suite in bookworm | trixie) ;; *) usage ;; esac
need_engine
lock "host-$suite"
build_image "lab/host:$suite" "lab/debian:$suite" "$LAB_DIR/../templates/docker"
