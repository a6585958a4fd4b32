#!/bin/sh
# Builds the real OpenTofu from its Go module, as the program tofu in the cache.   usage: lab/tofu.sh
# The first build takes some 5 minutes on two cores, and 2 GB in Go's own caches.
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 0 ] || usage
cd "$LAB_DIR/tofu"
# Built from these very files: a program of another version, or a half-made one, is never at this place.
home=$LAB_CACHE/tofu-$(cat go.mod go.sum | cksum | tr ' ' -)
link=$LAB_CACHE/bin/tofu
version=$(sed -n 's|.*github.com/opentofu/opentofu v\([^ ]*\).*|\1|p' go.mod)

lock tofu 1800
[ ! -x "$home/tofu" ] || [ "$(readlink "$link")" != "$home/tofu" ] || { say "OpenTofu $version: there"; exit; }
command -v go >/dev/null || die "Go is not installed; type: lab/tools.sh go"
began=$(now)
say "OpenTofu $version: building, some 5 minutes on two cores the first time (log: $home.log)"
mkdir -p "$LAB_CACHE/bin"
rm -rf "$LAB_CACHE"/tofu-*-*
# The module asks for a replaced dependency, which "go install" refuses; go.mod here repeats that and names the program.
quietly "$home.log" env CGO_ENABLED=0 go build -trimpath \
  -ldflags '-s -w -X github.com/opentofu/opentofu/version.dev=no' -o "$home/new" github.com/opentofu/opentofu/cmd/tofu
mv "$home/new" "$home/tofu"
ln -sf "$home/tofu" "$link"
say "$(TF_CLI_CONFIG_FILE="" "$link" version | head -n 1): built in $(($(now) - began)) s"
