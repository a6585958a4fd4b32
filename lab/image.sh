#!/bin/sh
# Makes one of the lab's images whose Dockerfile and files are a folder here.
# usage: lab/image.sh acme|grafana|judge|mysql|postgresql|prometheus
set -eu
. "$(dirname -- "$0")/lib.sh"
[ $# -eq 1 ] || usage
suite=trixie
case $1 in
  acme) image=lab/acme ;; # a real ACME server with a name server
  grafana) image=lab/grafana:stand-in ;; # in the place of Grafana's server, which no package registry has
  judge) image=lab/judge:tools ;; # the tools that judge rendered files
  mysql) image=lab/mysql:9.7 suite=sid ;; # the real MySQL server, which no other suite has
  postgresql) image=lab/postgresql:17 ;; # the real PostgreSQL server
  prometheus) image=lab/prometheus:2.53 ;; # the real Prometheus and promtool
  *) usage ;;
esac
need_engine
lock "image-$1"
build_image "$image" "lab/debian:$suite" "$LAB_DIR/$1"
