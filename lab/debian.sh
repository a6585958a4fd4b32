#!/bin/sh
# Makes the Docker base image lab/debian:SUITE, with no container registry.   usage: lab/debian.sh [SUITE]
# SUITE is bookworm, trixie (default) or sid. On Debian it comes from the archive that this machine's apt uses.
set -eu
. "$(dirname -- "$0")/lib.sh"
suite=${1:-trixie}
image=lab/debian:$suite
case $suite in bookworm | trixie | sid) ;; *) usage ;; esac

need_engine
lock "debian-$suite"
have_image "$image" && { say "$image: there"; exit; }
began=$(now)
if is_debian; then
  command -v mmdebstrap >/dev/null || die "mmdebstrap is not installed; type: lab/tools.sh images"
  work=$LAB_CACHE/debian-$suite
  mkdir -p "$work"
  sources "$suite" "$work/sources"
  say "$image: from this machine's archive, about 20 s"
  # A snapshot of an archive may be past its date; its signatures still hold.
  quietly "$work/log" mmdebstrap --quiet --variant=minbase --include=ca-certificates \
    --aptopt='Acquire::Check-Valid-Until "false"' "$suite" "$work/root.tar" "$work/sources"/*
  quietly "$work/log" docker import -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    -c 'CMD ["/bin/bash"]' -c "LABEL $LAB_LABEL=image" "$work/root.tar" "$image"
  rm -f "$work/root.tar"
else
  say "$image: this machine is not Debian, so it is pulled as debian:$suite"
  quietly "$LAB_CACHE/debian-$suite.log" docker pull "debian:$suite"
  docker tag "debian:$suite" "$image"
fi
say "$image: made in $(($(now) - began)) s"
