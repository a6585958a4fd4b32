#!/bin/sh
# Uses the LXD that answers, or starts one of the lab's own.   usage: lab/lxd.sh up|image|down|status
#   up      start an LXD where none answers, with pool default and bridge lxdbr0 (198.18.50.1/24 and IPv6, NAT)
#   image   give it the image debian13, made from the archive that this machine's apt uses
#   down    stop it and remove all that is in it, but only if the lab started it
#   status  say which it is; exit code 1 when none answers
set -eu
. "$(dirname -- "$0")/lib.sh"

# Where clients look by themselves. The cache would not do: containers have to reach it, and a home is closed to them.
home=${LXD_DIR:-/var/lib/lxd}
dir=$LAB_CACHE/lxd
bridge=lxdbr0
image=debian13
lxcfs=/var/lib/lxcfs
packages=systemd,systemd-sysv,systemd-resolved,libnss-systemd,libpam-systemd,dbus,udev,openssh-server,sudo,python3,python3-apt
packages=$packages,cloud-init,ca-certificates,iproute2,iputils-ping,curl,procps,kmod,less,netbase,iptables,gnupg

answers() { timeout 10 lxc query /1.0 >/dev/null 2>&1; }
need_lxd() { answers || die "no LXD answers; start one: lab/lxd.sh up"; }
lxd_pid() { alive "$dir/lxd.pid" "--logfile=$dir/lxd.log"; }
lxcfs_pid() { alive "$dir/lxcfs.pid" "--pidfile=$dir/lxcfs.pid"; }

# The mark that the lab leaves in what it made: an LXD of the machine's that is only stopped must not be taken for it.
ours() { as_root test -e "$home/$LAB_LABEL" 2>/dev/null; }

# Gives containers their own view of memory and processors. Where its server was killed, the mount is still there.
start_lxcfs() {
  ! as_root ls "$lxcfs/proc" >/dev/null 2>&1 || return 0
  as_root umount --lazy "$lxcfs" 2>/dev/null || :
  as_root mkdir -p "$lxcfs"
  in_background "$dir/lxcfs.log" lxcfs "--pidfile=$dir/lxcfs.pid" "$lxcfs"
}

start() {
  mkdir -p "$dir"
  need_root lxd --group "$(id -gn)" "--logfile=$dir/lxd.log"
  ours || ! as_root test -e "$home/database" || die "this machine has an LXD of its own, which does not run. Start it, then try again:
  sudo systemctl start lxd"
  ! stuck=$(lxd_pid) || stop_process "$stuck" 10
  # What is marked is emptied in the end.
  ours || [ -z "${LXD_DIR-}" ] || [ ! -e "$home" ] || die "LXD_DIR names $home, which is there already. Let it name a folder of its own"
  as_root mkdir -p "$home"
  as_root touch "$home/$LAB_LABEL"
  start_lxcfs
  # Every systemd in a container takes some of these, and the usual 128 are for all containers together.
  [ "$(cat /proc/sys/fs/inotify/max_user_instances)" -ge 1024 ] ||
    as_root sysctl --quiet --write fs.inotify.max_user_instances=1024 ||
    say "LXD: fs.inotify.max_user_instances stays as it is; many containers at a time may fail to start"
  # LXD would ask outside for the sizes of clouds' machines: a proxy that nobody is.
  # shellcheck disable=SC2016 # for the inner shell
  in_background "$dir/lxd.out" env HTTPS_PROXY=http://127.0.0.1:9 sh -c 'echo $$ >"$0" && exec "$@"' "$dir/lxd.pid" \
    lxd --group "$(id -gn)" "--logfile=$dir/lxd.log"
  await_answer lxd "$dir/lxd.out"
  as_root lxd waitready --timeout=60
}

# The last thing that setting up does.
is_set_up() { lxc query /1.0/profiles/default | grep -q "\"network\": \"$bridge\""; }

# As its package leaves it.
is_new() { [ "$(lxc query /1.0/storage-pools)" = '[]' ]; }

# With cgroup v1 systemd in a container mounts no tree by itself that a Docker inside could limit processors with.
set_up() {
  raw=
  [ -e /sys/fs/cgroup/cgroup.controllers ] || raw=', raw.lxc: "lxc.mount.auto = cgroup:rw:force"'
  quietly "$dir/init.log" lxd init --preseed <<YAML
config: {images.auto_update_interval: "0"}
storage_pools: [{name: default, driver: dir}]
networks:
- name: $bridge
  type: bridge
  config: {ipv4.address: 198.18.50.1/24, ipv4.nat: "true", ipv6.address: "fd5e:1ab:50::1/64", ipv6.nat: "true"}
profiles:
- name: default
  config: {security.nesting: "true"$raw}
  devices: {root: {path: /, pool: default, type: disk}, eth0: {name: eth0, network: $bridge, type: nic}}
YAML
}

# A Docker Engine forbids all forwarding but its own.
rule() { as_root "$2" -w "$1" FORWARD "$3" "$bridge" -m comment --comment "$LAB_LABEL" -j ACCEPT 2>/dev/null; }
allow() { rule -C "$@" || rule -I "$@" || say "LXD: $1 takes no rule, its containers may not reach other networks"; }
disallow() { while rule -D "$@"; do :; done; }
each_rule() { for tool in iptables ip6tables; do for way in -i -o; do "$1" "$tool" "$way"; done; done; }

up() {
  if ! answers; then
    ! { timeout 10 lxc query /1.0 2>&1 || :; } | grep -q 'permission denied' ||
      die "an LXD runs, but its socket refuses this user. Type this, log in again, then try again:
  sudo usermod -aG lxd $(id -un)"
    command -v lxd >/dev/null || die "LXD is not installed; type: lab/tools.sh lxd"
    lock lxd 120
    if ! answers; then
      start
      say "LXD: started (process $(lxd_pid), log $dir/lxd.log)"
    fi
  fi
  if is_set_up; then :
  elif lxd_pid >/dev/null || is_new; then set_up
  else die "the LXD that answers was never set up. Type this, then try again:
  sudo lxd init --minimal"
  fi
  each_rule allow
  status
}

status() {
  answers || { say "LXD: none answers"; return 1; }
  if pid=$(lxd_pid); then owner="the lab's own, process $pid"; else owner="not the lab's, left alone"; fi
  say "LXD: $(lxc query /1.0 | sed -n 's/.*"server_version": "\(.*\)".*/\1/p') ($owner)"
}

# Made beside, so that a killed run leaves nothing that looks whole.
make_image() {
  is_debian || die "image $image is made from Debian's archive, and this machine has another. Get it from an image server:
  lxc image copy images:debian/13/cloud local: --alias $image"
  command -v mmdebstrap >/dev/null || die "mmdebstrap is not installed; type: lab/tools.sh images"
  need_root mmdebstrap
  began=$(now)
  say "image $image: from this machine's archive, about 30 s"
  rm -rf "$dir"/image-* "$dir/new" && mkdir -p "$dir/new"
  sources trixie "$dir/sources"
  # A snapshot of an archive may be past its date; its signatures still hold.
  quietly "$dir/image.log" as_root mmdebstrap --quiet --variant=minbase --include="$packages" \
    --aptopt='Acquire::Check-Valid-Until "false"' --customize-hook="$LAB_DIR/lxd/customize.sh" \
    trixie "$dir/new/rootfs.tar" "$dir/sources"/*
  tar -C "$LAB_DIR/lxd" -czf "$dir/new/metadata.tar.gz" metadata.yaml templates
  mv "$dir/new" "$1"
  say "image $image: made in $(($(now) - began)) s"
}

image() {
  need_lxd
  mkdir -p "$dir"
  lock lxd-image
  stamp=$(cd "$LAB_DIR" && { echo "$packages"; find lxd -type f | sort | xargs cksum; } | cksum | tr ' ' -)
  if is=$(lxc image get-property "$image" stamp 2>/dev/null); then
    # One without a stamp somebody else brought.
    [ "${is:-$stamp}" != "$stamp" ] || { say "image $image: there"; return; }
  fi
  [ -d "$dir/image-$stamp" ] || make_image "$dir/image-$stamp"
  [ -z "$is" ] || lxc image delete "$image"
  quietly "$dir/import.log" lxc image import "$dir/image-$stamp/metadata.tar.gz" "$dir/image-$stamp/rootfs.tar" \
    --alias "$image" "stamp=$stamp"
  say "image $image: imported"
}

# What is in the lab's own LXD, the process PID, is the lab's.
empty() {
  lxc list --format csv --columns n | while read -r name; do lxc delete --force "$name" </dev/null; done
  as_root lxd shutdown --timeout=60 >/dev/null 2>&1 || :
  ! runs "$1" || stop_process "$1" 10
  ! of_lxcfs=$(lxcfs_pid) || stop_process "$of_lxcfs" 10
  as_root find "$home" -xdev -mindepth 1 -delete
  as_root rm -f "$dir/lxd.pid" "$dir/lxcfs.pid"
  each_rule disallow
}

down() {
  lock lxd 120
  if ! answers && ours; then start; fi
  if pid=$(lxd_pid); then
    empty "$pid"
    say "LXD: stopped (was process $pid), all that was in it is removed"
  elif answers; then say "LXD: not started by the lab, left running"
  else say "LXD: none of the lab's runs"
  fi
}

case ${1-} in up) up ;; image) image ;; down) down ;; status) status ;; *) usage ;; esac
