#!/bin/bash
# Puts a release into /opt/torrust, as root. Running it twice, or again after it was cut off, does no harm.
#
#   release.sh ENVIRONMENT SOURCE LINES 'IMAGE ID DIGEST'...   a new one, of images that images.sh brought
#   release.sh ENVIRONMENT SOURCE back N              one that is kept, N, as the next one: its files, units and images
#   release.sh ENVIRONMENT SOURCE back N LINES        only the images of N, with the files of a manifest as for a new one
#     ENVIRONMENT   whose release this is; a host has one
#     SOURCE   registry: images that are gone from the host are pulled by their digests; local: they are not
#     LINES    how many lines of manifest follow on standard input:
#                dir MODE OWNER PATH      a folder
#                unit PATH                one of the files is a systemd unit, to be enabled and started
#                SHA256 MODE OWNER PATH   a file
#
# It answers with one fact a line, then waits for one word:
#   release N            the release in place (0: none)
#   foreign ENVIRONMENT             the host has the release of another one; that is all
#   theirs PATH                     a file or folder here that no release put here, and there is no release; that is all
#   stranger KIND NAME FOLDER | attached NAME NETWORK    a thing of others that is in the way: see owner.sh; that is all
#   unknown N                       the release to be put back is not kept; that is all
#   manifest SHA256                 of the release to be put back
#   differs PATH | missing PATH     a file that is not as the manifest wants it
#   unrecorded                      the release in place has not these files and images, the images are not what their
#                                   names lead to, the units of the release are not at work, or a folder that is root's
#                                   belongs to another
#   ready
# stop:  nothing is done.
# show:  prints "content PATH BASE64" of each file that differs, and ends.
# apply: a tar stream with those files follows, unless they are kept here; it becomes the next release, "released N", and
#        "kept N" tells each one that is kept. "replaced N PATH": a file that somebody changed since the release before was
#        copied to releases/N/replaced/ before it was replaced; an earlier copy, of a release that was cut off, is PATH.~1~ there.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=owner.sh
[ -n "${root-}" ] || . "$(dirname "$0")/owner.sh"
umask 077
environment=$1 source=$2 lines=$3
shift 3
releases=$root/releases
incoming=$releases/.incoming
# The folder of the release that is put back.
back='' told=''
# The copies of what is replaced, until the release that replaced it is kept.
saved=$releases/.replaced
kept=10

paths() { grep -vE '^(dir|unit) ' | cut -d ' ' -f 4- | sort; }

# The manifest's lines of files: the checksum of anything begins with none of these words.
files() { grep -vE '^(dir|unit) ' <<<"$manifest"; }

# The lines of a manifest's files on standard input, as sha256sum wants them.
sums() { grep -vE '^(dir|unit) ' | sed -E 's/^(\S+) \S+ \S+ /\1  /'; }

# In its place a container could have put a pipe that nobody writes to, or a link to a file of the host's.
is_file() { [ -f "$root/$1" ] && [ ! -L "$root/$1" ]; }
is_folder() { [ -d "$root/$1" ] && [ ! -L "$root/$1" ]; }

# How long reading files may take that a container can exchange for others meanwhile.
in_time() { timeout --kill-after=5 60 "$@"; }

# Those of the paths on standard input at which there is a file.
are_files() {
  local path
  while IFS= read -r path; do
    ! is_file "$path" || printf '%s\n' "$path"
  done
}

compare() {
  local sum mode owner path
  local -A sums=()
  # One process for all files is quicker.
  while read -r sum path; do
    sums[$path]=$sum
  done < <(files | cut -d ' ' -f 4- | { cd "$root" && are_files | in_time xargs -rd '\n' sha256sum; } 2>/dev/null)
  while read -r sum mode owner path; do
    if [ ! -e "$root/$path" ]; then echo "missing $path"
    elif ! is_file "$path"; then echo "differs $path"
    elif [ "${sums[$path]:-}" != "$sum" ]; then echo "differs $path"
    # Others could read the secrets.
    elif [ "$mode" = 0600 ] && [ "$(stat -c %a "$root/$path")" != 600 ]; then echo "differs $path"
    fi
  done < <(files)
}

units() { sed -n 's/^unit //p' <<<"$manifest"; }

# Whether systemd has all units, and the timers among them wait for their time.
units_work() {
  local unit
  while read -r unit; do
    [ "/etc/systemd/system/${unit##*/}" -ef "$root/$unit" ] || return 1
    case $unit in *.timer) systemctl is-enabled --quiet "${unit##*/}" && systemctl is-active --quiet "${unit##*/}" || return 1 ;; esac
  done < <(units)
}

current() { basename "$(readlink "$releases/current" || echo 0)"; }

# A file that only its owner may read holds secrets, and they stay here: of .env the values, of another one all.
show() {
  local sum mode owner path values
  while read -r sum mode owner path; do
    grep -qxF "differs $path" <<<"$changes" || continue
    case "$mode $path" in
      "0600 .env") values='s/=.*/=********/' ;;
      0600*) values='s/.*/********/' ;;
      *) values='' ;;
    esac
    is_file "$path" || { echo "content $path $(echo "(no file)" | base64 -w0)"; continue; }
    echo "content $path $(in_time sed "$values" "$root/$path" | base64 -w0)"
  done < <(files)
}

# Everything is prepared beside the live files first: a full disk or a wrong file leaves the old release as it is.
receive() {
  local sum mode owner path wrong
  rm -rf "$incoming"
  mkdir -p "$incoming"
  if [ -n "$back" ]; then cp -a "$back/." "$incoming" && rm -rf "$incoming/replaced"
  else tar -x --no-same-owner -C "$incoming" || fail "the files did not arrive whole"
  fi
  while read -r sum mode owner path; do
    [ -e "$incoming/$path" ] || echo "$path"
  done < <(files) | (cd "$root" && in_time xargs -rd '\n' cp --no-dereference --parents -t "$incoming")
  wrong=$(find "$incoming" ! -type d ! -type f)
  [ -z "$wrong" ] || fail "no file any more: ${wrong//$'\n'/, }"
  wrong=$(sums <<<"$manifest" | (cd "$incoming" && sha256sum --check --quiet 2>/dev/null)) ||
    fail "${back:+in $back: }not what it should be: ${wrong//$'\n'/, }"
  printf '%s\n' "$manifest" >"$incoming/manifest"
  docker compose --project-directory "$root" --env-file "$incoming/.env" -f "$incoming/docker-compose.yml" config --quiet
}

# images IMAGE...: "IMAGE ID" of what the host has under these names.
images() {
  local image ids
  # One call for all is quicker, and enough where none is missing.
  if ids=$(docker image inspect --format '{{.Id}}' "$@" 2>/dev/null); then
    paste -d ' ' <(printf '%s\n' "$@") - <<<"$ids"
    return
  fi
  for image in "$@"; do echo "$image $(image_id "$image")"; done
}

# find_image IMAGE ID DIGEST: its name may lead to another image by now, here and in the registry. What it led to here it
# leads to afterwards, too, if only to nothing.
find_image() {
  local other
  [ "$(image_id "$2")" = missing ] || return 0
  if [ "$source" = registry ]; then
    echo "pulling $1"
    other=$(image_id "$1")
    [ "${3:--}" = - ] || docker pull --quiet "$3" >/dev/null || :
    [ "$(image_id "$2")" != missing ] || docker pull --quiet "$1" >/dev/null || :
    if [ "$other" != missing ]; then docker tag "$other" "$1"
    elif [ "$(image_id "$1")" != missing ] && [ "$(image_id "$1")" != "$2" ]; then docker image rm "$1" >/dev/null || :
    fi
  fi
  [ "$(image_id "$2")" != missing ] || { echo "image-unavailable $1"; fail "$2 is not on the host any more"; }
}

find_images() {
  local image wanted digest
  mapfile -t ids < <(cut -d ' ' -f 2 <<<"$wanted_images")
  ! docker image inspect "${ids[@]}" >/dev/null 2>&1 || return 0
  while read -r image wanted digest; do find_image "$image" "$wanted" "$digest"; done <<<"$wanted_images"
}

# What is named by a digest has no other name, and needs none.
name_images() {
  local image wanted
  while read -r image wanted _; do
    [[ $image == *@* ]] || grep -qxF "$image $wanted" <<<"$present" || docker tag "$wanted" "$image"
  done <<<"$wanted_images"
}

# Whether an administrator's link leads from here to another disk.
is_roots_link() { [ -L "$1" ] && [ -d "$1" ] && [ "$(stat -c %u "$1" "$(dirname "$1")" | sort -u)" = 0 ]; }

# Folders that are root's, and have another owner: of an older release, whose container could write there.
foreign_folders() {
  local kind mode owner path
  while read -r kind mode owner path; do
    [ "$kind $owner" = "dir 0" ] && [ -e "$root/$path" ] || continue
    [ "$(stat -c '%F %u' "$root/$path")" = "directory 0" ] || is_roots_link "$root/$path" || echo "$mode $path"
  done <<<"$manifest"
}

# Those that are above come first, so that each is in a folder of root's.
own_folders() {
  local mode path
  while read -r mode path; do
    is_folder "$path" ||
      fail "$root/$path is no folder, and the release needs one there: look at it, and move it away"
    chown -h 0:0 "$root/$path"
    # With one digit more, it also takes the bits away that a container set.
    chmod "0$mode" "$root/$path"
  done < <(foreign_folders | sort -k 2)
}

# Below a folder of a container's user it is that user who makes one: a link there leads root nowhere.
make_folders() {
  local kind mode owner path parent keeper
  while read -r kind mode owner path; do
    [ "$kind" = dir ] && [ ! -d "$root/$path" ] || continue
    parent=$(dirname "$root/$path")
    keeper=$(stat -c %u "$parent" 2>/dev/null) || keeper=0
    if [ "$keeper" = "$EUID" ] || [ ! -d "$parent" ]; then
      install -d -m "$mode" -o "$owner" -g "$owner" "$root/$path"
    else
      (cd "$parent" && setpriv --reuid "$keeper" --regid "$keeper" --clear-groups mkdir -m "$mode" "./${path##*/}")
    fi
  done <<<"$manifest"
}

# Without a release of ours, what is here is of others; data may be, too, as a restored disk has it.
theirs() {
  [ ! -e "$root/environment" ] && [ ! -e "$releases/current/manifest" ] && [ -d "$root" ] || return 0
  find "$root" -mindepth 1 -maxdepth 1 ! -name .lock ! -name storage ! -name lost+found ! -name releases -printf 'theirs %f\n' | sort
  # What a first release that was cut off left there is nobody's.
  [ -z "$(find "$releases" -mindepth 1 ! -path "$incoming*" -print -quit 2>/dev/null)" ] || echo 'theirs releases'
  sed -n 's/^differs storage/theirs storage/p' <<<"$changes"
}

# A pipe would be waited for; it has nothing to save.
of_files() {
  local sum path
  while read -r sum path; do
    ! is_file "$path" || echo "$sum  $path"
  done
}

# What somebody changed since the release in place is on no other disk.
save_replaced() {
  local path number=$(($(current) + 1))
  [ -e "$releases/current/manifest" ] || return 0
  # One that was cut off before it was the current one has copies, too.
  [ ! -d "$releases/$number/replaced" ] || [ -d "$saved" ] || mv -T "$releases/$number/replaced" "$saved"
  cd "$root"
  { sums <releases/current/manifest | of_files |
    in_time sha256sum --check 2>/dev/null || :; } |
    sed -n 's/: FAILED$//p' | while read -r path; do
      # What is as this release wants it is not replaced.
      ! grep -qxF "$path" < <(paths <<<"$manifest") || grep -qxF "differs $path" <<<"$changes" || continue
      mkdir -p "$saved"
      # After a release that was cut off there is a copy; this file may be that release's, or be changed once more.
      in_time cmp -s "$path" "$saved/$path" || cp -a --parents --backup=numbered "$path" "$saved"
      echo "replaced $number $path"
    done
}

# All copies first, then all renames: a rename needs no room, so that none or all of the files change.
install_files() {
  local sum mode owner path
  while read -r sum mode owner path; do
    ! is_folder "$path" ||
      fail "$root/$path is a folder, where the release puts a file: look at it, and move it away"
    rm -rf "$root/$path.new"
    install -D -T -m "$mode" -o "$owner" -g "$owner" "$incoming/$path" "$root/$path.new"
  done < <(files)
  # Whoever starts the containers next must know which of them have read other files than these.
  sed -nE "s/^(missing|differs) /$(date +%s) /p" <<<"$changes" >>"$root/.replaced"
  sync -f "$root"
  echo installing
  name_images
  while read -r sum mode owner path; do
    mv -T "$root/$path.new" "$root/$path"
  done < <(files)
}

linked() { find /etc/systemd/system -maxdepth 1 -lname "$root/*" -printf '%f\n'; }

# Whether systemd has just these units, as they are.
units_stand() {
  units_work && [ "$(linked | sort)" = "$(units | sed 's|.*/||' | sort)" ] &&
    ! units | grep -qxFf - <(sed -nE 's/^(missing|differs) //p' <<<"$changes")
}

# Units that this release has not are taken away again.
install_units() {
  local unit name
  ! units_stand || return 0
  while read -r name; do
    grep -q "^unit .*/$name\$" <<<"$manifest" && continue
    # Disabling takes the link away, after which systemd could not stop it cleanly.
    systemctl stop "$name"
    systemctl disable --quiet "$name"
    systemctl reset-failed "$name" 2>/dev/null || :
  done < <(linked)
  while read -r unit; do
    systemctl link --quiet "$root/$unit"
  done < <(units)
  systemctl daemon-reload
  while read -r unit; do
    name=${unit##*/}
    case $name in *.timer) ;; *) continue ;; esac
    # A timer that comes back must not make up for what was missed while it was not wanted.
    systemctl is-enabled --quiet "$name" || rm -f "/var/lib/systemd/timers/stamp-$name"
    systemctl enable --now --quiet "$name"
  done < <(units)
}

# What a failure half-way leaves behind.
tidy() {
  local sum mode owner path
  rm -rf "$incoming"
  while read -r sum mode owner path; do
    rm -f "$root/$path.new"
  done < <(files)
}

# What the release before had and this one has not: Grafana would go on to show its dashboards, and secrets would stay.
remove_files() {
  local path
  [ -e "$releases/current/manifest" ] || return 0
  comm -23 <(paths <"$releases/current/manifest") <(paths <<<"$manifest") | while read -r path; do
    is_folder "$path" || rm -f "${root:?}/$path"
  done
}

keep() {
  local number=$(($(current) + 1))
  printf '%s\n' "$wanted_images" >"$incoming/images"
  [ ! -d "$saved" ] || mv -T "$saved" "$incoming/replaced"
  rm -rf "${releases:?}/$number"
  mv "$incoming" "$releases/$number"
  ln -sfn "$number" "$releases/current.new"
  mv -T "$releases/current.new" "$releases/current"
  find "$releases" -mindepth 1 -maxdepth 1 -name '[0-9]*' | sort -V | head -n -$kept | xargs -r rm -rf
  echo "$environment" >"$root/environment"
  echo "released $number"
  find "$releases" -mindepth 1 -maxdepth 1 -name '[0-9]*' -printf 'kept %f\n'
}

# Whether the release in place has these files and these images, and both are what is at work.
in_place() {
  local wanted
  [ "$(cat "$releases/current/manifest" 2>/dev/null)" = "$manifest" ] || return 1
  wanted=$(cut -d ' ' -f 1,2 <<<"$wanted_images")
  [ "$(cut -d ' ' -f 1,2 "$releases/current/images" 2>/dev/null)" = "$wanted" ] && [ "$present" = "$wanted" ] && units_work &&
    [ -z "$(foreign_folders)" ]
}

enter "$environment"
if [ "$lines" = back ]; then
  back=$releases/$1
  [ -e "$back/images" ] || { echo "unknown $1"; exit 0; }
  told="manifest $(sha256sum <"$back/manifest" | cut -d' ' -f1)"
  manifest=$(cat "$back/manifest")
  wanted_images=$(cat "$back/images")
  lines=${2-}
  [ -z "$lines" ] || back=''
else
  wanted_images=$(printf '%s\n' "$@")
fi
if [ -z "$back" ]; then
  # No more than these lines are read, also when all came at once.
  mapfile -t -n "$lines" wanted
  manifest=$(printf '%s\n' "${wanted[@]}")
fi
[ -z "$back" ] || project=$(project_in "$back/docker-compose.yml")
in_the_way=$(strangers "$project")
[ -z "$in_the_way" ] || { echo "$in_the_way"; exit 0; }
changes=$(compare)
in_the_way=$(theirs)
[ -z "$in_the_way" ] || { echo "$in_the_way"; exit 0; }
mapfile -t names < <(cut -d ' ' -f 1 <<<"$wanted_images")
present=$(images "${names[@]}")
echo "release $(current)"
[ -z "$told" ] || echo "$told"
in_place || echo unrecorded
[ -z "$changes" ] || echo "$changes"
echo ready

read -r word || exit 0
case $word in
  stop) ;;
  show) show ;;
  apply)
    install -d -m 755 "$root"
    mkdir -p "$releases"
    # It is held already where there was something to look at: to open it anew would give it to who waits.
    [ -e /dev/fd/9 ] || take_lock
    trap tidy EXIT
    own_folders
    receive
    find_images
    save_replaced
    # From here on what is here is ours, also when this is cut off.
    [ -e "$root/environment" ] || echo "$environment" >"$root/environment"
    make_folders
    install_files
    install_units
    remove_files
    keep
    ;;
  *) fail "unknown word: $word" ;;
esac
