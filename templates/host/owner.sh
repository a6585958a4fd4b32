# shellcheck shell=bash disable=SC2034
# Tells the stack's containers and networks on a host from those of others, and whose the host is; images.sh, release.sh, run.sh and
# stop.sh begin with it.
#
# Others may use any name of a Compose project. The stack's own containers have the label of its folder, its own networks have
# bridges with its name, and it has no volumes.
root=/opt/torrust
# The name of the project in new releases. Older ones are of the project "torrust".
project=torrust-deployer-stack
compose_label=com.docker.compose.project

fail() { echo "$*" >&2; exit 1; }

# image_id IMAGE: of what is missing Docker prints an empty line.
image_id() {
  local id
  id=$(docker image inspect --format '{{.Id}}' "$1" 2>/dev/null) || id=missing
  echo "$id"
}

take_lock() {
  exec 9>"$root/.lock"
  flock -n 9 || { echo "waiting for an earlier release or run on this host"; flock -w 600 9 || fail "it is still at work"; }
}

# enter ENVIRONMENT: takes the host's lock, but for a host that has nothing yet: a look leaves no trace there. Ends with
# "foreign ENVIRONMENT" where the host has the release of another one.
enter() {
  local owner
  [ ! -d "$root" ] || take_lock
  owner=$(cat "$root/environment" 2>/dev/null || echo "$1")
  [ "$owner" = "$1" ] || { echo "foreign $owner"; exit 0; }
}

# project_in FILE: the name of the project in this Compose file; without one Compose takes the folder's.
project_in() {
  local name
  name=$(sed -n 's/^name: *//p' "$1" 2>/dev/null) || :
  echo "${name:-torrust}"
}

containers_of_host() {
  docker ps --all --no-trunc --format "container|{{.Names}}|{{.Label \"$compose_label\"}}|{{.Label \"$compose_label.working_dir\"}}|{{.ID}} {{.Label \"com.docker.compose.service\"}}"
}

networks_of_host() {
  docker network ls --quiet |
    xargs docker network inspect --format "network|{{.Name}}|{{index .Labels \"$compose_label\"}}|{{index .Options \"com.docker.network.bridge.name\"}}|{{range .Containers}}{{.Name}} {{end}}" 2>/dev/null || :
}

volumes_of_host() { docker volume ls --format "volume|{{.Name}}|{{.Label \"$compose_label\"}}||"; }

# strangers PROJECT: "stranger KIND NAME FOLDER" of each thing of others that Compose would take for one of this project, and
# "attached NAME NETWORK" of each container of others on a network that has to be removed for it.
strangers() {
  local containers networks volumes
  # Where Docker does not answer, nobody knows.
  containers=$(containers_of_host) || return
  networks=$(networks_of_host) || return
  volumes=$(volumes_of_host) || return
  awk -F '|' -v project="$1" -v root="$root" '
    { line[NR] = $0 }
    $1 == "container" && $4 == root { ours[$2] = 1 }
    END {
      for (number = 1; number <= NR; number++) {
        split(line[number], part, "|")
        kind = part[1]; name = part[2]; mine = kind == "container" ? name in ours : kind == "network" && part[4] ~ /^br-torrust/
        alike = part[3] == project || (kind == "container" ? name ~ ("^" project "-[a-z]+-[0-9]+$") : index(name, project "_") == 1)
        if (alike && !mine) print "stranger", kind, name, (kind == "container" ? part[4] : "")
        if (kind != "network" || !mine || alike) continue
        count = split(part[5], attached, " ")
        for (place = 1; place <= count; place++) if (!(attached[place] in ours)) print "attached", attached[place], name
      }
    }' <<<"$containers"$'\n'"$networks"$'\n'"$volumes"
}

# former PROJECT: "ID SERVICE" of the stack's containers under another project name; all of them where PROJECT is empty.
former() {
  local containers
  containers=$(containers_of_host) || return
  awk -F '|' -v project="$1" -v root="$root" '$4 == root && $3 != project { print $5 }' <<<"$containers"
}

# remove_former PROJECT: removes those and their networks; a database is stopped last. All data is in the host's folders.
remove_former() {
  local id service left clients=() servers=() networks
  left=$(former "$1") || return
  while read -r id service; do
    case $service in '') ;; mysql | postgresql) servers+=("$id") ;; *) clients+=("$id") ;; esac
  done <<<"$left"
  if [ "${#clients[@]}${#servers[@]}" != 00 ]; then
    docker unpause "${clients[@]}" "${servers[@]}" >/dev/null 2>&1 || :
    [ "${#clients[@]}" -eq 0 ] || docker stop "${clients[@]}" >/dev/null
    [ "${#servers[@]}" -eq 0 ] || docker stop "${servers[@]}" >/dev/null
    docker rm "${clients[@]}" "${servers[@]}" >/dev/null
  fi
  mapfile -t networks < <(networks_of_host | awk -F '|' -v project="$1" '$4 ~ /^br-torrust/ && $3 != project { print $2 }')
  [ "${#networks[@]}" -eq 0 ] || docker network rm "${networks[@]}" >/dev/null || :
}

