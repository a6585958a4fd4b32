#!/bin/sh
# Starts the database server, with a data folder made the first time. The image's own set-up is passed over: it puts
# passwords into SQL without quoting them, knows only the first start, and does not get over being cut off.
set -eu
data=/var/lib/mysql
settings=/etc/torrust/mysql

if [ -e "$data/.unfinished" ]; then
  # A first start in an empty folder was cut off; the server was never open, so there is nobody's data yet.
  rm -rf "${data:?}"/*
elif [ ! -e "$data/mysql.ibd" ]; then
  there=$(ls -A "$data")
  if [ -n "$there" ]; then
    echo "[ERROR] storage/mysql/data is not empty, and no MySQL data of ours: there is $(printf %s "$there" | head -n 1). Nothing was touched. Move it away, or put back what is missing" >&2
    exit 1
  fi
fi
if [ ! -e "$data/mysql.ibd" ]; then
  touch "$data/.unfinished"
  mysqld --defaults-file="$settings/my.cnf" --initialize-insecure
  rm "$data/.unfinished"
fi
exec mysqld --defaults-file="$settings/my.cnf" --init-file="$settings/accounts.sql"
