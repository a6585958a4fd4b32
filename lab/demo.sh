#!/bin/sh
# The demo: the real tracker on a host that the program makes, in ./demo.   usage: [DEMO_TRACKER=TRACKER] lab/demo.sh up|down
#   up    installs what is missing, builds the program, deploys, and asks the tracker as its clients do; again at any time
#   down  removes the host and the folder
# TRACKER is 3.0.0, the newest release, or schema-3, what comes after it: `torrust/tracker:develop`, or the lab's stand-in. A
# demo that is there is changed to it; without the variable it stays as it is, and a new one gets 3.0.0.
set -eu
. "$(dirname -- "$0")/lib.sh"
cd "$LAB_DIR/.."
demo=$PWD/demo
program=${CARGO_TARGET_DIR:-target}/release/torrust-tracker-deployer
schema_3_image=lab/tracker:schema-3
case ${DEMO_TRACKER:-3.0.0} in
  3.0.0) registry_image=torrust/tracker:3.0.0 lab_image=lab/tracker:3.0.0 ;;
  schema-3) registry_image=torrust/tracker:develop lab_image=$schema_3_image ;;
  *) usage ;;
esac

# step TITLE COMMAND...: says what begins, and how long it took.
step() {
  printf '\n==> %s\n' "$1"
  step_began=$(now)
  shift
  "$@"
  printf '    %s s\n' "$(($(now) - step_began))"
}

deployer() { "$program" --working-dir "$demo" "$@"; }

prepare() {
  "$LAB_DIR/tools.sh" rust engine ssh ansible
  "$LAB_DIR/engine.sh" up
}

# A configuration that is there has been decided on before.
configure() {
  if [ -e "$demo/demo.json" ]; then change
  elif "$LAB_DIR/registry.sh" "$registry_image"; then
    say "the demo uses the registries' images"
    write_configuration debian:trixie registry "$registry_image"
  else
    say "the demo uses the lab's images, made from package registries"
    write_configuration lab/debian:trixie local "$lab_image"
  fi
  grep -q '"source": "local"' "$demo/demo.json" || return 0
  "$LAB_DIR/tools.sh" images
  "$LAB_DIR/debian.sh"
  "$LAB_DIR/tracker-image.sh"
  ! grep -q "\"$schema_3_image\"" "$demo/demo.json" || "$LAB_DIR/tracker-schema-3-image.sh"
}

# The demo that is there, with the tracker that is asked for.
change() {
  if [ -n "${DEMO_TRACKER-}" ]; then
    image=$registry_image
    ! grep -q '"source": "local"' "$demo/demo.json" || image=$lab_image
    sed -i "s|\"tracker\": \"[^\"]*\"|\"tracker\": \"$image\"|" "$demo/demo.json"
  fi
  say "as in demo/demo.json: $(sed -n 's/.*"tracker": "\([^"]*\)".*/\1/p' "$demo/demo.json")"
}

# The instance's name is the clone's own, so that demos of several clones live side by side.
# In a shell of its own: nobody else needs this umask.
write_configuration() (
  umask 077
  mkdir -p "$demo"
  [ -e "$demo/key" ] || ssh-keygen -q -t ed25519 -N '' -C demo -f "$demo/key"
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$demo/token"
  cat >"$demo/demo.json.new" <<JSON
{
  "environment": { "name": "demo", "instance_name": "torrust-demo-$(printf %s "$demo" | cksum | cut -d' ' -f1)" },
  "ssh_credentials": { "private_key_path": "$demo/key", "public_key_path": "$demo/key.pub" },
  "provider": { "provider": "docker", "base_image": "$1" },
  "tracker": {
    "core": { "database": { "driver": "sqlite3", "database_name": "tracker.db" }, "private": false },
    "udp_trackers": [ { "bind_address": "0.0.0.0:6969" } ],
    "http_trackers": [ { "bind_address": "0.0.0.0:7070" } ],
    "http_api": { "bind_address": "0.0.0.0:1212", "admin_token": { "file": "$demo/token" } },
    "health_check_api": { "bind_address": "0.0.0.0:1313" }
  },
  "images": { "source": "$2", "tracker": "$3" }
}
JSON
  mv "$demo/demo.json.new" "$demo/demo.json"
)

# One announce by hand, as any BitTorrent client sends it.
announce() {
  address=$(deployer show demo --output-format json | sed -n 's/^ *"address": "\(.*\)",$/\1/p')
  url="http://$address:7070/announce?info_hash=torrust-demo-torrent&peer_id=-TD0001-demo-client-&port=9&uploaded=0&downloaded=0&left=0&event=started&compact=0"
  printf '$ curl "%s"\n' "$url"
  curl --silent --show-error --fail --max-time 10 "$url"
  echo
}

up() {
  all=$(now)
  step "Install what is missing" prepare
  step "Build the program" cargo build --release --locked
  step "Choose the images" configure
  step "Deploy: torrust-tracker-deployer deploy -f demo/demo.json" deployer deploy -f "$demo/demo.json"
  step "Ask the tracker, as its clients do: torrust-tracker-deployer test demo" deployer test demo
  step "Announce by hand" announce
  cat <<TEXT

The tracker answers, after $(($(now) - all)) s. Look around:
  alias deployer='$program --working-dir demo'
  deployer show demo          addresses, and the ssh command for the host
  deployer test demo          the same questions again
  deployer deploy demo        nothing to do, unless something on the host was changed
Remove it:
  make clean                  the host, ./demo and what was built
  lab/down.sh                 the lab's hosts, and the engine if the lab started it
TEXT
}

down() {
  [ -e "$demo" ] || { say "there is no demo"; return; }
  if [ -e "$demo/data/demo/environment.json" ]; then
    [ -x "$program" ] || cargo build --release --locked
    "$LAB_DIR/engine.sh" up
    deployer destroy demo --force
  fi
  rm -rf "$demo"
}

case ${1-} in up) up ;; down) down ;; *) usage ;; esac
