#!/bin/bash
# Starts the stack in /opt/torrust and reports its containers until told to stop, as root.
#
#   run.sh [logs]        logs: container logs go to standard error meanwhile
#
# It answers with one fact a line:
#   waiting                         another release or run is at work on this host
#   half-restored ID                a restore was cut off; that is all
#   other-image N IMAGE             release N is of another image than the host has under this name, or of one that is
#                                   missing; that is all
#   stranger KIND NAME FOLDER | attached NAME NETWORK    a thing of others that is in the way: see owner.sh; that is all
#   listen PROTOCOL ADDRESS PORT PROCESS    who listens on the host; the address * is both families
#   container JSON                  each container, as `docker compose ps --format json` has it
#   ready                           then it waits for a word: "up" or "stop"
#   restarting ID                   after "up": a container that is stopped, so that Compose starts it again
# After "up": Compose's own words on standard error; then container lines and "round", once a second, and once, before
# those that were seen after Compose came to its end, "started" or "failed"; until a word comes:
#   stop              ends
#   logs CONTAINER    prints its last lines as "log LINE", and ends
# Where input ends without such a word, or nobody listens any more, it ends with Compose.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=owner.sh
[ -n "${root-}" ] || . "$(dirname "$0")/owner.sh"
cd /opt/torrust
exec 9>.lock
flock -n 9 || { echo waiting; flock -w 600 9 || { echo "another release or run is still at work on this host" >&2; exit 1; }; }
# Half a database must not be started with; its old one is beside it.
[ ! -e .half-restored ] || { echo "half-restored $(cat .half-restored)"; exit 1; }

# Files and images of a release go together, and Compose knows images by their names alone.
check_images() {
  local kept=releases/current/images names ids image
  [ -e "$kept" ] || return 0
  mapfile -t names < <(cut -d ' ' -f 1 "$kept")
  ids=$(docker image inspect --format '{{.Id}}' "${names[@]}" 2>/dev/null) || :
  [ "$ids" != "$(cut -d ' ' -f 2 "$kept")" ] || return 0
  for image in "${names[@]}"; do
    ids=$(docker image inspect --format '{{.Id}}' "$image" 2>/dev/null) || :
    grep -q "^$image $ids\( \|$\)" "$kept" || { echo "other-image $(basename "$(readlink releases/current)") $image"; exit 1; }
  done
}

# Also of a release under another project name.
look() {
  docker compose ps --all --no-trunc --format json || return
  [ -z "$former" ] || docker compose --project-name "$former" ps --all --no-trunc --format json
}

# One that is just made anew may go between two questions of Compose's own, which then fails: it is asked again.
containers() {
  local seen
  seen=$(look 2>/dev/null || { sleep 0.2; look 2>/dev/null; } || { sleep 0.5; look; })
  [ -z "$seen" ] || echo "container ${seen//$'\n'/$'\n'container }"
}

listeners() {
  ss -Hlntup | awk '{
    match($5, /:[0-9]+$/); port = substr($5, RSTART + 1)
    address = substr($5, 1, RSTART - 1); sub(/%.*/, "", address); gsub(/[][]/, "", address)
    process = "unknown"
    if (match($0, /users:\(\("[^"]+",pid=[0-9]+/)) { process = substr($0, RSTART + 9, RLENGTH - 9); sub(/",pid=/, " (process ", process); process = process ")" }
    print "listen", $1, address, port, process
  }'
}

# Once there is a container: Compose would end where there is none, and follows those that come later, too.
follow() {
  if [ -z "$following" ] && [ -n "$(docker compose ps --all --quiet)" ]; then
    docker compose logs --follow --no-color --since "$since" >&2 9>&- &
    following=$!
  fi
}

# Compose would end where its words reach nobody.
relay() { while IFS= read -r line; do echo "$line" >&2 || :; done; }

# Nobody is there any more, and half a stack would be nobody's wish. Where Compose waits for a container that never gets
# healthy, whoever comes next must not wait in vain: their ten minutes for the lock are longer than this.
linger() {
  for _ in {1..1100}; do
    kill -0 "$up" 2>/dev/null || return 0
    sleep 0.5
  done
  kill "$up" 2>/dev/null || :
}

# replaced_since TIME FOLDER...: whether a release replaced a file in one of these folders after a container started.
replaced_since() {
  local started second path source
  [ -e .replaced ] || return 1
  started=$(date -d "$1" +%s)
  shift
  while read -r second path; do
    [ "$second" -ge "$started" ] || continue
    for source in "$@"; do
      case $PWD/$path in "$source" | "$source"/*) return 0 ;; esac
    done
  done <.replaced
  return 1
}

# Compose leaves a container as it is that waits for its next restart, or that has read files which a release replaced since.
# A stop makes Compose start it, and resets Docker's restart counter and back-off.
stop_stale() {
  local ids id state started sources stale=()
  mapfile -t ids < <(docker ps --all --quiet --filter "label=$compose_label.working_dir=$root")
  [ "${#ids[@]}" -gt 0 ] || return 0
  while read -r id state started sources; do
    # shellcheck disable=SC2086 # a container's sources have no blanks
    if [ "$state" = restarting ] || { [ "$state" = running ] && replaced_since "$started" $sources; }; then
      stale+=("$id")
      echo "restarting $id"
    fi
  done < <(docker inspect --format '{{.Id}} {{.State.Status}} {{.State.StartedAt}}{{range .Mounts}} {{.Source}}{{end}}' "${ids[@]}" 2>/dev/null)
  [ "${#stale[@]}" -eq 0 ] || docker stop "${stale[@]}" >/dev/null
}

project=$(project_in docker-compose.yml)
in_the_way=$(strangers "$project")
[ -z "$in_the_way" ] || { echo "$in_the_way"; exit 1; }
former=$(containers_of_host | awk -F '|' -v root="$root" -v project="$project" '$4 == root && $3 != project { print $3 }' | head -n 1)
check_images
listeners
containers
echo ready
read -r word || exit 0
[ "$word" = up ] || exit 0

# Compose does not start what somebody paused.
docker compose unpause >/dev/null 2>&1 || :
remove_former "$project"
former=''
stop_stale
since=$(date +%s)
following='' ended=''
# Compose waits for services that others depend on; how all fare is told meanwhile.
trap '' PIPE
# Another image than the released one must not come by itself.
docker compose up --detach --remove-orphans --pull never > >(relay) 2>&1 9>&- &
up=$!
word='' part=''
trap '[ -n "$word" ] || linger; kill $(jobs -p) 2>/dev/null || :' EXIT
while true; do
  if [ -z "$ended" ] && ! kill -0 "$up" 2>/dev/null; then
    if wait "$up"; then rm -f .replaced; echo started; else echo failed; fi
    ended=yes
  fi
  [ "${1:-}" != logs ] || follow
  containers
  echo round
  # An answer may come; none within a second means that one more look is wanted. Of one that is half here then, the other half
  # comes next.
  if IFS= read -r -t 1 more; then break; elif [ $? -le 128 ]; then
    [ -n "$ended" ] || { linger; wait "$up"; echo started; containers; }
    exit 0
  fi
  part+=$more
done
read -r word argument <<<"$part$more"
[ "$word" != logs ] || docker logs --tail 15 "$argument" 2>&1 | sed 's/^/log /'
