#!/bin/sh
# The official image's entry point, for a command that is not the bare server: that command takes its place. What the
# official one does before a bare `postgres` (first database and user, from variables) is not rebuilt here.
set -eu
case $1 in
  postgres | -*) echo "this stand-in sets up no server: give it a command that does" >&2; exit 1 ;;
esac
exec "$@"
