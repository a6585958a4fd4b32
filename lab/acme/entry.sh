#!/bin/sh
# An ACME server at https://OWN_ADDRESS:14000/dir, for which every name leads to one host.   usage: entry.sh HOST_ADDRESS
set -eu
cd /etc
address=$(hostname -i | tr ' ' '\n' | grep -F . | head -n 1)
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=lab ACME directory' -addext "subjectAltName=IP:$address,IP:127.0.0.1" \
  -keyout pebble.key -out pebble.pem 2>/dev/null
pebble-challtestsrv -defaultIPv4 "$1" -defaultIPv6 '' -dns01 127.0.0.1:8053 -http01 '' -https01 '' -tlsalpn01 '' -doh '' &
# It would wait up to 15 s before each validation.
export PEBBLE_VA_NOSLEEP=1
exec pebble -config /etc/pebble.json -dnsserver 127.0.0.1:8053
