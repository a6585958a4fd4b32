#!/bin/bash
# What can only be seen on the host itself, as root: one line a fact, "NAME<tab>ok|failed<tab>WHAT WAS SEEN".
#
#   test.sh SERVICE COMMAND...       pairs: a service and the command that asks its health in the container
set -uo pipefail

fact() { # fact NAME COMMAND...
  local name=$1 seen state=ok
  shift
  seen=$("$@" 2>&1) || state=failed
  printf '%s\t%s\t%s\n' "$name" "$state" "$(printf '%s' "$seen" | tail -n 1)"
}

cloud_init() {
  command -v cloud-init >/dev/null || { echo "not installed on this host"; return 0; }
  cloud-init status
}

healthy() { docker compose exec -T "$1" sh -c "$2" && echo healthy; }

fact cloud-init cloud_init
fact "Docker Engine" docker version --format '{{.Server.Version}}'
fact "Docker Compose" docker compose version --short
cd /opt/torrust 2>/dev/null || exit 0
while [ $# -ge 2 ]; do
  fact "$1: health inside the container" healthy "$1" "$2"
  shift 2
done
