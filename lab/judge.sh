#!/bin/sh
# Has folders that `render` wrote judged by the real tools: one line a verdict, exit code 1 when one is bad.
# usage: lab/judge.sh [--tracker] DIR...    --tracker: only whether the tracker takes its files and starts
set -eu
. "$(dirname -- "$0")/lib.sh"
everything=yes
[ "${1-}" != --tracker ] || { everything=''; shift; }
[ $# -gt 0 ] || usage
scratch=$(mktemp -d)
judge=lab-judge-$$
bad=0
linted=''
trap 'docker rm --force --volumes "$judge" "$judge-tracker" >/dev/null 2>&1 || :; rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# verdict NAME COMMAND...: its words are shown only when it fails.
verdict() {
  name=$1
  shift
  # Not in the condition itself, where its commands could fail and the next be run.
  ("$@") >"$scratch/said" 2>&1 </dev/null &
  if wait $!; then
    echo "ok      $stack: $name"
  else
    bad=$((bad + 1))
    echo "bad     $stack: $name"
    tail -n 15 "$scratch/said" | sed 's/^/        /'
  fi
}

# verdict_on FILE NAME COMMAND...: only where the stack has the file.
verdict_on() {
  file=$1
  shift
  if [ -e "$file" ]; then verdict "$@"; else echo "none    $stack: $1"; fi
}

inside() { docker exec "$judge" "$@"; }

# What is under the release's root on a host lies there in the judge, too.
install_release() {
  python3 "$dir/ansible/files/pack.py" "$dir/ansible/release.json" >"$scratch/packed"
  base64 -d "$scratch/packed" | docker exec -i "$judge" bash -euc 'rm -rf /opt/torrust; mkdir -p /opt/torrust; cd /opt/torrust
    while read -r line && [ "$line" != apply ]; do echo "$line"; done >/tmp/manifest; tar -x
    grep -vE "^(dir|unit) " /tmp/manifest | while read -r _ mode _ path; do chmod "$mode" "$path"; done'
  docker cp -q "$dir/ansible/files/root/." "$judge:/"
  for service in prometheus caddy; do
    inside sh -c "rm -rf /etc/$service; ln -s /opt/torrust/storage/$service/etc /etc/$service"
  done
}

compose() { inside docker compose --project-directory /opt/torrust config "$@"; }

playbook() {
  cd "$dir/ansible"
  ansible-playbook -i inventory.yml --syntax-check deploy.yml
}

lint() {
  cd "$dir/ansible"
  ansible-lint --offline --nocolor --profile production deploy.yml
}

scripts() { grep -rlZE '^#!/bin/(ba)?sh' "$dir" | xargs -0 shellcheck --external-sources; }

cloud_init() {
  docker cp -q "$dir/tofu/cloud-init.yml" "$judge:/tmp/cloud-init.yml"
  inside cloud-init schema --config-file /tmp/cloud-init.yml
}

units() {
  inside sh -c 'find /opt/torrust /etc/systemd/system -name "*.service" -o -name "*.timer" | grep torrust-tracker | xargs systemd-analyze verify --man=no'
}

# The host's alerts are there with the host's agent.
rules() {
  inside sh -c 'promtool check rules /etc/prometheus/*rules*.yml'
  docker cp -q "$LAB_DIR/judge/." "$judge:/tmp"
  inside promtool test rules /tmp/tracker-alerts.yml
  if inside grep -q 'name: host' /etc/prometheus/rules.yml; then inside promtool test rules /tmp/host-alerts.yml; fi
}

caddyfile() {
  "$LAB_DIR/tools.sh" caddy
  docker cp -q --follow-link "$(command -v caddy)" "$judge:/usr/local/bin/caddy"
  inside sh -c 'cd /etc/caddy && caddy validate --config Caddyfile --adapter caddyfile'
}

tofu_files() {
  cp -r "$dir/tofu" "$scratch/$stack.tofu"
  cd "$scratch/$stack.tofu"
  export TF_CLI_CONFIG_FILE="$LAB_CACHE/providers/stand-in.tofurc"
  tofu fmt -check -diff
  tofu init -backend=false -no-color
  tofu validate -no-color
}

# The tracker, alone, reads its files as on a host, starts and answers. The image is one of the file's schema.
tracker() {
  compose --format json >"$scratch/stack.json"
  rm -rf "${scratch:?}/etc" && cp -R "$dir/tracker/etc" "$scratch/etc"
  python3 "$LAB_DIR/judge/tracker.py" "$dir/tracker/etc/tracker.toml" "$scratch/etc/tracker.toml" \
    <"$scratch/stack.json" >"$scratch/options"
  docker rm --force --volumes "$judge-tracker" >/dev/null 2>&1 || :
  xargs -d '\n' docker create --label "$LAB_LABEL=host" --name "$judge-tracker" <"$scratch/options"
  chmod -R a+rX "$scratch/etc"
  docker cp -q "$scratch/etc/." "$judge-tracker:/etc/torrust-tracker"
  docker start "$judge-tracker"
  deadline=$(($(now) + 30))
  while [ "$(now)" -lt "$deadline" ]; do
    case $(docker inspect --format '{{.State.Status}} {{.State.Health.Status}}' "$judge-tracker") in
      'running healthy') return ;;
      exited*) break ;;
    esac
    sleep 0.2
  done
  docker logs --tail 15 "$judge-tracker"
  return 1
}

judge_stack() {
  dir=$(CDPATH='' cd -- "$1" && pwd)
  stack=$(basename "$dir")
  install_release
  [ -n "$everything" ] || { verdict 'the tracker starts' tracker; return; }
  verdict 'docker compose config' compose --quiet
  verdict 'ansible-playbook --syntax-check' playbook
  # It looks at the playbooks alone, which are mostly the same.
  playbooks=$(cat "$dir/ansible/configure.yml" "$dir/ansible/deploy.yml" | cksum)
  case $linted in *"/$playbooks/"*) ;; *) verdict 'ansible-lint, production profile' lint ;; esac
  linted="$linted/$playbooks/"
  verdict 'shellcheck' scripts
  verdict 'systemd-analyze verify' units
  verdict 'the tracker starts' tracker
  verdict_on "$dir/prometheus/etc/prometheus.yml" 'promtool check config' inside promtool check config /etc/prometheus/prometheus.yml
  verdict_on "$dir/prometheus/etc/prometheus.yml" 'promtool check and test rules' rules
  verdict_on "$dir/caddy/etc/Caddyfile" 'caddy validate' caddyfile
  verdict_on "$dir/tofu/main.tf" 'tofu fmt and validate' tofu_files
  verdict_on "$dir/tofu/cloud-init.yml" 'cloud-init schema' cloud_init
}

if [ -n "$everything" ]; then
  "$LAB_DIR/tools.sh" ansible ansible_lint shellcheck >&2
  "$LAB_DIR/tofu.sh" >&2
  "$LAB_DIR/providers.sh" stand-in >&2
fi
"$LAB_DIR/image.sh" judge >&2
# By this label `lab/host.sh clean` finds what a killed run left.
docker run --detach --rm --label "$LAB_LABEL=host" --name "$judge" lab/judge:tools >/dev/null
for folder in "$@"; do judge_stack "$folder"; done
[ "$bad" -eq 0 ] || die "$bad verdicts are bad"
