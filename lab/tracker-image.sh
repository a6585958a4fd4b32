#!/bin/sh
# Makes the image lab/tracker:3.0.0, the real tracker built from its crates.io release.   usage: lab/tracker-image.sh
# The first build takes some 7 minutes on two cores; its programs stay in the cache.
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 0 ] || usage
version=3.0.0
home=$LAB_CACHE/tracker-$version
target=$LAB_CACHE/build/tracker
programs='torrust-tracker http_health_check'

# The programs need the C library they were built with, or a newer one.
suite() {
  . /etc/os-release
  case ${ID-}-${VERSION_CODENAME-} in debian-bookworm | debian-trixie) echo "$VERSION_CODENAME" ;; *) echo bookworm ;; esac
}

have_programs() { for program in $programs; do [ -x "$home/bin/$program" ] || return 1; done; }

compile() {
  command -v cargo >/dev/null || die "cargo is not installed; get Rust from https://rustup.rs or as the package rustup, then try again"
  say "tracker $version: compiling its crates.io release, some 7 minutes on two cores (log: $home.log)"
  began=$(now)
  set --
  for program in $programs; do set -- "$@" --bin "$program"; done
  # In a process group of its own, so that no compiler is left at work when this script is stopped.
  setsid cargo install torrust-tracker --version "=$version" --locked --force --root "$home" --target-dir "$target" "$@" >"$home.log" 2>&1 &
  cargo=$!
  trap 'kill -- "-$cargo" 2>/dev/null || :' EXIT
  trap 'exit 130' INT TERM
  shown=$began
  while kill -0 "$cargo" 2>/dev/null; do
    sleep 1
    [ $(($(now) - shown)) -lt 15 ] && continue
    shown=$(now)
    say "tracker $version: $(grep -c Compiling "$home.log" || :) crates begun, $((shown - began)) s"
  done
  trap - EXIT INT TERM
  wait "$cargo" || { tail -n 25 "$home.log" >&2; die "the tracker does not compile (whole output: $home.log)"; }
  rm -rf "$home/context"
  say "tracker $version: compiled in $(($(now) - began)) s"
}

# The build context: small programs, without what a debugger wants.
context() {
  mkdir -p "$home/context/usr/bin"
  for program in $programs; do
    [ -x "$home/context/usr/bin/$program" ] || strip -o "$home/context/usr/bin/$program" "$home/bin/$program"
  done
  rm -rf "$home/context/share"
  cp -R "$LAB_DIR/tracker/Dockerfile" "$LAB_DIR/tracker/entry.sh" "$LAB_DIR/tracker/share" "$home/context/"
}

lock "tracker-$version" 1800
have_programs || compile
rm -rf "$target"
need_engine
context
build_image "lab/tracker:$version" "lab/debian:$(suite)" "$home/context"
