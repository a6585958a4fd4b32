# Puts the programs that the lab keeps in its cache on PATH.   usage: . lab/env.sh
# shellcheck shell=sh
lab_bin=${DEPLOYER_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/torrust-tracker-deployer/lab}/bin
case ":$PATH:" in *":$lab_bin:"*) ;; *) PATH=$lab_bin:$PATH ;; esac
unset lab_bin
export PATH
