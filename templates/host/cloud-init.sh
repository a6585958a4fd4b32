#!/bin/bash
# Waits for cloud-init's end. Says "stage=NAME" while it works, at the end "end=STATE" (done, disabled, absent, failed)
# and "error=LINE" for each complaint. Exit code 1 when it failed.
set -eu

command -v cloud-init >/dev/null || { echo end=absent; exit 0; }

# "status: done" and so on. Its exit code tells recoverable complaints (2) apart from failure, but not in all versions.
state() { cloud-init status 2>/dev/null | sed -n 's/^status: //p'; }

# cloud-init's own record: which stage it is in, and what went wrong in each.
record() {
  python3 - "$1" <<'PYTHON'
import json, sys
try:
    status = json.load(open("/run/cloud-init/status.json"))["v1"]
except (OSError, ValueError, KeyError):
    sys.exit()
if sys.argv[1] == "stage":
    print(status.get("stage") or "its start")
else:
    stages = [stage for stage in status.values() if isinstance(stage, dict)]
    for error in (error for stage in stages for error in stage.get("errors", [])):
        print("error=" + " ".join(str(error).split()))
PYTHON
}

while :; do
  seen=$(state)
  case $seen in
    done | disabled) echo "end=$seen"; exit 0 ;;
    error* | '') break ;;
  esac
  echo "stage=$(record stage)"
  sleep 1
done
record errors
# What a command of the user data said is not in the record. New host keys and their pictures would hide it.
grep -vE '^([|+]|SHA256:|Your (public key|identification)|The key|Generating public|[[:space:]]*$)' \
  /var/log/cloud-init-output.log 2>/dev/null | tail -n 15 | sed 's/^/error=/' || :
echo end=failed
exit 1
