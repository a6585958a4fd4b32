#!/bin/sh
# Starts the database server, with a data folder made the first time. The image's own set-up is passed over: it puts
# passwords into SQL without quoting them, knows only the first start, and does not get over being cut off.
set -eu
data=/var/lib/mysql
settings=/etc/torrust/mysql

# Made by a first start that was cut off; the server was never open, so there is nobody's data yet.
[ ! -e "$data/.unfinished" ] || rm -rf "${data:?}"/*
if [ ! -e "$data/mysql.ibd" ]; then
  touch "$data/.unfinished"
  mysqld --defaults-file="$settings/my.cnf" --initialize-insecure
  rm "$data/.unfinished"
fi
exec mysqld --defaults-file="$settings/my.cnf" --init-file="$settings/accounts.sql"
