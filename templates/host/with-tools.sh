#!/bin/bash
# Runs a program of a folder that comes along, as root; what follows the folder is the program's own input.
#
#   with-tools.sh BYTES PROGRAM [ARGUMENT...]      BYTES: how many of standard input are the folder, as a tar stream
set -euo pipefail
umask 077
tools=$(mktemp -d -p /run torrust-tracker-deployer.XXXXXX)
trap 'rm -rf "$tools"' EXIT
head -c "$1" | tar -xC "$tools"
program=$2
shift 2
bash "$tools/$program" "$@"
