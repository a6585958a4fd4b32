#!/bin/sh
# The tracker's API moves to a port of the loopback, and the front takes its place.
set -eu
export TORRUST_TRACKER_CONFIG_OVERRIDE_HTTP_API__BIND_ADDRESS=127.0.0.1:11212
python3 /usr/local/bin/front.py "$API_PORT" 11212 &
exec /bin/sh /usr/local/bin/entry.sh "$@"
