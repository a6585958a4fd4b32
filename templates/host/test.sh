#!/bin/bash
# What can only be seen on the host itself, as root: one line a fact, "NAME<tab>ok|failed<tab>WHAT WAS SEEN".
#
#   test.sh PATIENCE NAME COMMAND...
#     PATIENCE       for how many seconds what is not well is asked again
#     NAME COMMAND   pairs: what is checked, and the command for bash that tells, in /opt/torrust; exit code 100 says
#                    that asking again does not help
set -uo pipefail
export patience=$1
shift

fact() { # fact NAME COMMAND...
  local name=$1 seen code state=ok
  shift
  while true; do
    seen=$("$@" 2>&1)
    code=$?
    if [ $code -eq 0 ] || [ $code -eq 100 ] || [ "$SECONDS" -ge "$patience" ]; then break; fi
    sleep 0.5
  done
  [ $code -eq 0 ] || state=failed
  printf '%s\t%s\t%s\n' "$name" "$state" "$(printf '%s' "$seen" | tail -n 1)"
}

cloud_init() {
  command -v cloud-init >/dev/null || { echo "not installed on this host"; return 0; }
  cloud-init status
}

fact cloud-init cloud_init
fact "Docker Engine" docker version --format '{{.Server.Version}}'
fact "Docker Compose" docker compose version --short
cd /opt/torrust 2>/dev/null || exit 0
while [ $# -ge 2 ]; do
  fact "$1" bash -c "$2"
  shift 2
done
