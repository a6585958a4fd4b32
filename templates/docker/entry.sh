#!/bin/sh
# What must be there before systemd starts: writable kernel settings, the SSH user, its key. Runs at each start.
#   DEPLOYER_USER        the user who logs in and may use sudo without a password
#   DEPLOYER_PUBLIC_KEY  the line for its authorized_keys
set -eu

# Docker mounts all kernel settings read-only. Writable become the ones that are the container's own: its control
# groups and its network. The rest would change the machine below.
prepare_mounts() {
  # One mount with cgroup v2, one for each controller with v1.
  awk '$3 ~ /^cgroup2?$/ {print $2}' /proc/mounts | while read -r tree; do
    mount -o remount,bind,rw "$tree"
  done
  mount --bind /proc/sys/net /proc/sys/net
  mount -o remount,bind,rw /proc/sys/net
  # The whole file system must be writable before a part of it can be.
  mount -o remount,rw /sys
  mount --bind /sys/devices/virtual/net /sys/devices/virtual/net
  mount -o remount,bind,ro /sys
  mount --make-rshared /
}

prepare_user() {
  user=$1 key=$2
  id "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$user"
  # A fixed name: sudo skips files with a dot in theirs, which a user's name may have.
  printf '%s ALL=(ALL) NOPASSWD:ALL\n' "$user" >/etc/sudoers.d/deployer
  chmod 440 /etc/sudoers.d/deployer
  ssh=$(getent passwd "$user" | cut -d: -f6)/.ssh
  mkdir -p "$ssh"
  # Added, not written over: more keys may have been added since the first start.
  grep -qsxF -- "$key" "$ssh/authorized_keys" || printf '%s\n' "$key" >>"$ssh/authorized_keys"
  chmod 700 "$ssh"
  chmod 600 "$ssh/authorized_keys"
  chown -R "$user:" "$ssh"
}

prepare_mounts
prepare_user "${DEPLOYER_USER:?set it to the SSH user}" "${DEPLOYER_PUBLIC_KEY:?set it to the public key}"
ssh-keygen -A
# systemd would take the id of the machine below, the same for all its containers.
[ -s /etc/machine-id ] || tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
exec /lib/systemd/systemd "$@"
