#!/bin/sh
# usage: packages.sh repair            completes a package installation that was interrupted
#        packages.sh update RECORD     installs today's security updates and notes in RECORD what came of it
# Another package manager (cloud-init, the daily updates) is waited for up to ten minutes.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

patiently() {
  left=60
  until said=$("$@" 2>&1); do
    case $said in
      *"rontend lock"* | *"not get lock"* | *"nable to lock"* | *"ock could not be acquired"* | *"ock can not be acquired"* | *"was locked by"*) ;;
      *) left=1 ;;
    esac
    left=$((left - 1))
    [ "$left" -gt 0 ] || { echo "$*: $(echo "$said" | tail -n 20)" >&2; exit 1; }
    sleep 10
  done
}

versions() { dpkg-query -W -f '${Package}:${Architecture} ${Version} ${db:Status-Status}\n' | sort; }

repair() {
  patiently dpkg --configure -a --force-confdef --force-confold
  patiently apt-get --yes --fix-broken -o Dpkg::Options::=--force-confold install
}

update() {
  before=$(mktemp)
  after=$(mktemp)
  versions >"$before"
  # Old lists would make "nothing to do" a guess, so a list that cannot be fetched is an error.
  patiently apt-get -q -o APT::Update::Error-Mode=any update
  patiently unattended-upgrade --verbose
  versions >"$after"
  count=$(comm -13 "$before" "$after" | wc -l)
  rm -f "$before" "$after"
  mkdir -p "$(dirname "$1")"
  echo "$count packages changed" >"$1"
  cat "$1"
}

"$@"
