#!/bin/bash
# Brings the stack's images and reports what they are, as root. No image is run. A name that leads to an image on the host
# leads there afterwards, too: release.sh moves it when the release goes in.
#
#   images.sh ENVIRONMENT HOW KNOWN TRACKER IMAGE...
#     ENVIRONMENT   whose images they are; a host has the release of one
#     HOW       look: nothing is brought; pull: missing images are pulled; refresh: all are pulled again, except those
#               named by a digest; load: standard input is IMAGE, as `docker save` writes it
#     KNOWN     the id of the tracker's image whose schema is known; "-": of none; "any": no schema is asked for
#     TRACKER   the tracker's image, one of IMAGE, unless HOW is load
#
# It answers with one fact a line:
#   waiting TEXT                    another release or run is at work on this host
#   foreign ENVIRONMENT             the host has the release of another one; that is all
#   host ARCHITECTURE               as `uname -m` prints it
#   pulling IMAGE
#   image-unavailable IMAGE         the registry did not give it; that is all
#   before IMAGE ID                 what the host has under that name, where another image was brought; "missing": nothing
#   image IMAGE ID DIGEST ARCHITECTURE PRINT    DIGEST is "-" where no registry is known to have it; PRINT tells images
#                                   apart whichever engine holds them. An image that is not there: "image IMAGE missing"
#   schema VERSION LABEL            of the tracker's image, where it is not KNOWN: the schema of its default configuration
#                                   file, and its version label; "-" for what it lacks
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=owner.sh
[ -n "${root-}" ] || . "$(dirname "$0")/owner.sh"
environment=$1 how=$2 known=$3 tracker=$4
shift 4
format='{{.Id}} {{range .RepoDigests}}{{.}},{{end}}- {{.Architecture}} {{.Created}} {{json .RootFS.Layers}}'
default=/usr/share/torrust/default/config/tracker.container.sqlite3.toml
# The container that is made to read that file. It never runs. Its name says which process made it.
container=torrust-look-$$
label=org.torrust.deployer=look
# What the host has, or has got, for each image.
declare -A ids=()

# digest IMAGE DIGESTS: the one in the image's own repository, else any: the contents are the same.
digest() {
  local digest all
  IFS=, read -ra all <<<"$2"
  for digest in "${all[@]}"; do
    [[ ${1#docker.io/} != "${digest%@*}"[:@]* ]] || { echo "$digest"; return; }
  done
  echo "${all[0]}"
}

# tell IMAGE...: reads a line of `docker image inspect` for each.
tell() {
  local image id digests architecture print
  for image in "$@"; do
    read -r id digests architecture print
    ids[$image]=$id
    echo "image $image $id $(digest "$image" "$digests") $architecture $print"
  done
}

# bring IMAGE COMMAND...: a name that led to another image is put back.
bring() {
  local image=$1 before
  shift
  before=$(image_id "$image")
  # It may take hours, for which nobody else has to wait.
  [ ! -e /dev/fd/9 ] || flock -u 9
  "$@" >/dev/null || { echo "image-unavailable $image"; exit 1; }
  [ ! -e /dev/fd/9 ] || take_lock
  ids[$image]=$(image_id "$image")
  [ "$before" != "${ids[$image]}" ] || return 0
  [ "$before" = missing ] || docker tag "$before" "$image"
  echo "before $image $before"
}

pull() {
  echo "pulling $1"
  bring "$1" docker pull --quiet "$1"
}

find_one() {
  ids[$1]=$(image_id "$1")
  case $how in
    load) bring "$1" docker load --quiet ;;
    refresh) [[ $1 == *@* && ${ids[$1]} != missing ]] || pull "$1" ;;
    pull) [ "${ids[$1]}" != missing ] || pull "$1" ;;
  esac
}

# One call for all is quicker, and enough where none is missing.
find_all() {
  local image all
  if [[ $how == look || $how == pull ]] && all=$(docker image inspect --format "$format" "$@" 2>/dev/null); then
    tell "$@" <<<"$all"
    return
  fi
  for image in "$@"; do find_one "$image"; done
  for image in "$@"; do
    if [ "${ids[$image]}" = missing ]; then echo "image $image missing"
    else tell "$image" < <(docker image inspect --format "$format" "${ids[$image]}")
    fi
  done
}

# What a killed call left behind, with its volumes.
remove_left() {
  local left
  docker ps --all --format '{{.Names}}' --filter "label=$label" --filter name=torrust-look- | while read -r left; do
    [ -e "/proc/${left##*-}" ] || docker container rm --force --volumes "$left" >/dev/null
  done
}

# The file is read from a container that is made and never started.
read_schema() {
  local text why
  remove_left
  trap 'docker container rm --volumes "$container" >/dev/null 2>&1 || :' EXIT
  # Docker wants a command where the image has none.
  docker create --name "$container" --label "$label" --network none "$1" none >/dev/null
  if text=$(docker cp --follow-link "$container:$default" - 2>/dev/null | tar -xO 2>/dev/null); then
    sed -nE "s/^\s*(metadata\.)?schema_version\s*=\s*[\"']([^\"' ]+)[\"'].*/\2/p" <<<"$text" | head -n 1
  else
    why=$(docker cp --follow-link "$container:$default" - 2>&1 >/dev/null) || :
    case $why in *'ould not find the file'* | *'o such file'*) ;; *) fail "$why" ;; esac
  fi
}

tell_schema() {
  local id=${ids[$tracker]:-missing} version named format
  case $id in missing | "$known") return ;; esac
  [ "$known" != any ] || return 0
  format='{{with .Config.Labels}}{{index . "org.opencontainers.image.version"}}{{end}}'
  named=$(docker image inspect --format "$format" "$id" | tr -d ' ')
  version=$(read_schema "$id")
  echo "schema ${version:--} ${named:--}"
}

# Names of images are the host's: they must not move in the middle of another release, nor on a host of somebody else's.
enter "$environment"
echo "host $(uname -m)"
find_all "$@"
tell_schema
