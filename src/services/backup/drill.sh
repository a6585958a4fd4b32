# shellcheck shell=bash
# A host check: makes a backup, restores it in a scratch place, and says what was in it.
set -euo pipefail
made=$(backup/backup.sh create | sed -n 's/^made \([^ ]*\) .*/\1/p')
backup/verify.sh "$made" | awk -v made="$made" '
  $1 == "restored" { tables++; rows += $3 }
  END { if (!tables) exit 1; print made ": restored in a scratch place, " tables " tables with " rows " rows" }'
