#!/bin/sh
# Starts and removes SSH hosts, made as the provider docker makes them.
# usage: lab/host.sh up NAME PUBLIC_KEY_FILE [docker run options]   prints its addresses: IPv4, and IPv6 if it has one
#        lab/host.sh down NAME                                      removes it, its volumes and its network
#        lab/host.sh clean                                          removes all hosts of the lab, whoever left them
# LAB_SUITE (trixie) and LAB_USER (torrust) choose the system and the SSH user. With a --network option no network is made.
set -eu
. "$(dirname -- "$0")/lib.sh"
label=$LAB_LABEL=host

# An own network for each host, so that hosts come and go side by side. Its IPv6 range follows from its name.
make_network() {
  sum=$(printf %s "$1" | cksum | cut -d' ' -f1)
  subnet=$(printf 'fd5e:1ab:%x:%x::/64' $((sum >> 16)) $((sum & 65535)))
  docker network create --ipv6 --subnet "$subnet" --label "$label" "$1" >/dev/null
}

addresses() {
  docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}' "$1" | sed 's/ *$//'
}

wait_for_ssh() {
  deadline=$(($(now) + 60))
  until ssh-keyscan -T 5 "$2" 2>/dev/null | grep -q ssh-; do
    if [ "$(now)" -ge "$deadline" ] || [ "$(docker inspect --format '{{.State.Status}}' "$1")" != running ]; then
      docker logs --tail 20 "$1" >&2
      die "$1 does not answer SSH on $2; above is what it said. Remove it: lab/host.sh down $1"
    fi
    sleep 0.1
  done
}

up() {
  [ $# -ge 2 ] || usage
  name=$1 key=$2 image=lab/host:${LAB_SUITE:-trixie}
  shift 2
  [ -r "$key" ] || die "cannot read the public key $key"
  have_image "$image" || die "$image is missing; type: lab/host-image.sh ${image#*:}"
  ! docker container inspect "$name" >/dev/null 2>&1 || die "$name exists; remove it: lab/host.sh down $name"
  case " $*" in *' --net'*) ;; *) make_network "$name"; set -- --network "$name" "$@" ;; esac
  docker volume create --label "$label" "$name-storage" >/dev/null
  # shellcheck disable=SC2046 # one option a line, none with a space
  docker run --detach --name "$name" --hostname "$name" --label "$label" \
    $(grep -v '^#' "$LAB_DIR/../templates/docker/run.options") \
    --env "DEPLOYER_USER=${LAB_USER:-torrust}" --env "DEPLOYER_PUBLIC_KEY=$(cat "$key")" \
    --volume "$name-storage:/opt/torrust/storage" "$@" "$image" >/dev/null
  found=$(addresses "$name")
  wait_for_ssh "$name" "${found%% *}"
  echo "$found"
}

# Each part may be missing, when an earlier run was killed half way. Only what carries the label is removed.
remove() {
  containers=$(docker ps --all --quiet --filter "label=$label" "$@")
  # shellcheck disable=SC2086 # ids, separated by blanks
  [ -z "$containers" ] || docker rm --force --volumes $containers >/dev/null
}

# remove_named KIND PATTERN: volumes or networks of the lab whose whole name matches.
remove_named() {
  docker "$1" ls --filter "label=$label" --format '{{.Name}}' | { grep -xE -- "$2" || :; } |
    while read -r found; do docker "$1" rm "$found" >/dev/null; done
}

down() {
  [ $# -eq 1 ] || usage
  remove --filter "name=^$1\$"
  remove_named volume "$1-storage"
  remove_named network "$1"
  say "host $1: removed"
}

clean() {
  remove
  remove_named volume '.*'
  remove_named network '.*'
  say "hosts: none is left"
}

command=${1-}
[ $# -eq 0 ] || shift
case $command in up | down | clean) need_engine; "$command" "$@" ;; *) usage ;; esac
