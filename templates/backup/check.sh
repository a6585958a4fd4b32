#!/bin/bash
# Tells how the backups are doing, as root: one line; it fails when the last one failed, or none will come.
set -euo pipefail
unit=torrust-tracker-backup
cd /opt/torrust/storage/backup

# By their names, which begin with the time: 20260131T030000Z. Those that were brought here have another part at the end.
newest=$(find . -regex '\./[0-9]*T[0-9]*Z-[0-9]*\.tar\.gz' -printf '%f\n' | sort | tail -n 1)
if [ -n "$newest" ]; then
  made=$(date -u -d "${newest:0:8} ${newest:9:2}:${newest:11:2}:${newest:13:2}" +%s)
  hours=$((($(date +%s) - made) / 3600))
  good="newest $newest, $(stat -c %s "$newest" | numfmt --to iec-i --suffix B), $hours hours old"
else
  good="none is there yet"
fi

systemctl is-active --quiet $unit.timer || { echo "no backup will be made: $unit.timer is not active; $good"; exit 1; }
next=$(systemctl show --property NextElapseUSecRealtime --value $unit.timer)
if ! flock --shared --nonblock .lock true; then
  # Who makes one opens it anew.
  echo "one is being made, or a restore is at work, since $(date -u -r .lock +%FT%TZ); $good"
elif [ -e unfinished ]; then
  reason=$(cat unfinished)
  echo "the last one failed: ${reason:-the disk had no room for the reason: journalctl -u $unit}; $good; next $next"
  exit 1
elif [ "$(systemctl show --property Result --value $unit.service)" != success ]; then
  echo "the last one failed (why: journalctl -u $unit); $good; next $next"
  exit 1
else
  echo "$good; next $next"
fi
