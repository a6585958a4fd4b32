#!/bin/sh
# Checks the product's OpenTofu files, templates/tofu/, with the lab stand-ins and with the real providers; and the schemas
# of both against the facts in lab/providers/schemas/.   usage: lab/tofu-check.sh
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 0 ] || usage
templates=${LAB_DIR%/*}/templates/tofu

# validate FOLDER COPY
validate() {
  mkdir -p "$2"
  cp "$1"/* "$2"
  # In the product it is rendered beside them; OpenTofu reads it while it validates.
  echo '#cloud-config' >"$2/cloud-init.yml"
  for command in 'init -backend=false' validate; do
    # shellcheck disable=SC2086 # words
    quietly "$LAB_CACHE/tofu-check.log" tofu -chdir="$2" $command -no-color
  done
}

"$LAB_DIR/tofu.sh"
tofu fmt -check -diff -recursive "$templates" || die "templates/tofu is not formatted; type: tofu fmt -recursive $templates"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
for which in stand-in real; do
  "$LAB_DIR/providers.sh" compare "$which"
  export TF_CLI_CONFIG_FILE="$LAB_CACHE/providers/$which.tofurc"
  for folder in "$templates"/*/; do
    name=$(basename "$folder")
    validate "$folder" "$scratch/$which/$name"
    say "templates/tofu/$name: valid with the providers of lab/providers.sh $which"
  done
done
