#!/bin/sh
# Provider programs for OpenTofu and Terraform, from a folder.   usage: lab/providers.sh [compare] [stand-in|real]
#   stand-in: lxd and hcloud are lab stand-ins: the real schemas, and the work of the resources that this project uses
#   real: hcloud is the real one, built from its Go module; lxd too where OpenTofu's registry answers, else the stand-in
# Without either: what LAB_PROVIDERS says, else real. Says which it is, and prints the CLI configuration file to name in
# TF_CLI_CONFIG_FILE. With compare: also lists each row of the schemas that differs from the facts in lab/providers/schemas/.
set -eu
. "$(dirname -- "$0")/lib.sh"

compare=''
[ "${1-}" != compare ] || { compare=yes; shift; }
[ $# -le 1 ] || usage
which=${1:-${LAB_PROVIDERS:-real}}
case $which in stand-in | real) ;; *) usage ;; esac
lxd=terraform-lxd/lxd/3.0.2 hcloud=hetznercloud/hcloud/1.68.0
sources=$LAB_DIR/providers home=$LAB_CACHE/providers
mirror=$home/$which rc=$home/$which.tofurc stamp_file=$home/$which.stamp

# build FOLDER PACKAGE PROGRAM: the same bytes in every clone and at every commit, since OpenTofu locks their checksum.
build() {
  (cd "$1" && CGO_ENABLED=0 quietly "$home/build.log" go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$3" "$2")
}

# serve PROGRAM NAMESPACE/TYPE/VERSION: under both hosts, as a link that is no symbolic one, which would not be followed.
serve() {
  type=${2%/*} type=${type#*/}
  for host in registry.opentofu.org registry.terraform.io; do
    folder=$mirror.new/$host/$2/$platform
    mkdir -p "$folder"
    ln "$1" "$folder/terraform-provider-${type}_v${2##*/}"
  done
}

# Fails where no registry answers, or no tofu is there to ask it: $home/registry.log has the words.
real_lxd() {
  asking=$home/asking
  mkdir -p "$asking"
  cat >"$asking/main.tf" <<END
terraform {
  required_providers {
    lxd = { source = "${lxd%/*}", version = "${lxd##*/}" }
  }
}
END
  (cd "$asking" && TF_CLI_CONFIG_FILE=/dev/null timeout 60 tofu providers mirror "$mirror.new") >"$home/registry.log" 2>&1 &&
    cp -r "$mirror.new/registry.opentofu.org/${lxd%%/*}" "$mirror.new/registry.terraform.io/"
}

make() {
  "$LAB_DIR/tools.sh" go
  platform=$(go env GOOS)_$(go env GOARCH) programs=$home/programs
  began=$(now)
  say "providers ($which): building"
  rm -rf "$mirror.new"
  mkdir -p "$programs" "$mirror.new/registry.terraform.io"
  is_hcloud=real is_lxd=real
  if [ "$which" = real ]; then
    build "$sources/real-hcloud" github.com/hetznercloud/terraform-provider-hcloud "$programs/real-hcloud"
    serve "$programs/real-hcloud" "$hcloud"
  else
    build "$sources" ./terraform-provider-hcloud "$programs/hcloud"
    serve "$programs/hcloud" "$hcloud"
    is_hcloud='lab stand-in'
  fi
  if [ "$which" = stand-in ] || ! real_lxd; then
    build "$sources" ./terraform-provider-lxd "$programs/lxd"
    serve "$programs/lxd" "$lxd"
    is_lxd='lab stand-in'
  fi
  rm -rf "$mirror"
  mv "$mirror.new" "$mirror"
  cat >"$rc" <<END
disable_checkpoint = true
provider_installation {
  filesystem_mirror {
    path = "$mirror"
  }
}
END
  printf '%s\n' "$stamp" "hcloud ${hcloud##*/}: $is_hcloud; lxd ${lxd##*/}: $is_lxd" >"$stamp_file"
  say "providers ($which): made in $(($(now) - began)) s"
}

mkdir -p "$home"
lock providers
stamp=$(cd "$sources" && { find . -type f | sort | xargs cksum; cksum <"$LAB_DIR/providers.sh"; } | cksum | tr ' ' -)
[ "$(sed -n 1p "$stamp_file" 2>/dev/null)" = "$stamp" ] || make
say "$(sed -n 2p "$stamp_file"); TF_CLI_CONFIG_FILE=$rc"
[ -z "$compare" ] || TF_CLI_CONFIG_FILE=$rc go run -C "$sources" ./compare
