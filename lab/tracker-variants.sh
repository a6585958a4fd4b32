#!/bin/sh
# Makes variants of the image lab/tracker:3.0.0, for tests of what an image tells about its configuration schema.
# usage: lab/tracker-variants.sh
#   lab/tracker:no-schema  neither the default file nor the version's label
#   lab/tracker:schema-9   a default file of a schema that nobody knows
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 0 ] || usage
need_engine
lock tracker-variants
base=lab/tracker:3.0.0
have_image "$base" || "$LAB_DIR/tracker-image.sh"
work=$LAB_CACHE/tracker-variants
files=/usr/share/torrust/default/config

# variant TAG: of the Dockerfile on standard input.
variant() {
  rm -rf "${work:?}/$1" && mkdir -p "$work/$1"
  cat >"$work/$1/Dockerfile"
  build_image "lab/tracker:$1" "$base" "$work/$1"
}

# A label of the base image cannot be removed, only emptied.
variant no-schema <<DOCKER
ARG BASE_IMAGE
FROM \${BASE_IMAGE}
RUN rm -r $files
LABEL org.opencontainers.image.version=""
DOCKER
variant schema-9 <<DOCKER
ARG BASE_IMAGE
FROM \${BASE_IMAGE}
RUN sed -i 's/^schema_version = .*/schema_version = "9.0.0"/' $files/*.toml
LABEL org.opencontainers.image.version=9.0.0
DOCKER
