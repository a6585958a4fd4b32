#!/bin/sh
# Makes the image lab/mysql:9.7, the real MySQL server from Debian sid, the one suite that has it.   usage: lab/mysql-image.sh
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 0 ] || usage
need_engine
lock mysql
build_image lab/mysql:9.7 lab/debian:sid "$LAB_DIR/mysql"
