#!/bin/sh
# Asks over HTTP/3, with a client that is not the program's own, and prints the answer's status and body.
# usage: lab/http3.sh ADDRESS DOMAIN PATH ROOT_CERTIFICATE_FILE
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 4 ] || usage
"$LAB_DIR/tools.sh" http3 >&2
exec "$LAB_CACHE/venv/aioquic/bin/python3" "$LAB_DIR/http3.py" "$@"
