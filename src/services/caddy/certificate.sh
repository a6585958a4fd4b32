# shellcheck shell=bash
# Tells whether the host has a certificate for DOMAIN from DIRECTORY; where it has none, what was answered.
#   certificate.sh DOMAIN DIRECTORY       an empty DIRECTORY is Caddy's own authority
# Exit code 100: the authority refused, or could not be asked. Caddy tries again by itself, but only after minutes: when
# `run` asks (it has patience), an answer from before that run is not gone by, and Caddy is made to try at once.
domain=$1 directory=$2

# The authority's name as Caddy's folders have it.
authority=$(tr '/:' '--' <<<"${directory#https://}")
file=storage/caddy/data/caddy/certificates/${authority:-local}/$domain/$domain.crt
if [ -s "$file" ]; then
  echo "there since $(date -u -r "$file" +%FT%TZ)"
  exit 0
fi

container=$(docker compose ps --all --quiet caddy)
since=$(docker inspect --format '{{.State.StartedAt}}' "$container")
answer=$(docker logs --since "$since" "$container" 2>&1 | grep -F '"could not get certificate from issuer"' |
  grep -F "\"identifier\":\"$domain\"" | tail -n 1 | sed 's/.*"error":"\(.*\)"}$/\1/; s/\\"/"/g')
# The lock is touched when a run begins.
if [ -n "$answer" ] && [ "${patience:-0}" -gt 0 ] && [ "$(date -d "$since" +%s)" -lt "$(stat -c %Y .lock)" ]; then
  docker restart "$container" >/dev/null
  answer=''
fi
if [ -z "$answer" ]; then
  echo "$domain has no certificate yet"
  exit 1
fi
case $answer in
  *"performing request"*) check="does the host reach $directory, and is https.ca_root its root certificate where that is no public one?" ;;
  *) check="does $domain lead to this host, and do its ports 80 and 443 answer whoever checks that?" ;;
esac
echo "$domain has no certificate: $answer; $check"
exit 100
