#!/bin/sh
# What makes a fresh system in the folder ROOT a cloud image.   usage: customize.sh ROOT (by mmdebstrap)
set -eu
root=$1
chroot "$root" systemctl --quiet enable systemd-networkd systemd-resolved ssh
# The first waits for links that Docker makes later; the second is the machine's and not the container's.
chroot "$root" systemctl --quiet mask systemd-networkd-wait-online.service systemd-binfmt.service
ln -sf /run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
# Without the list cloud-init asks every cloud there is.
printf 'locale: C.UTF-8\ndatasource_list: [LXD, NoCloud, None]\n' >"$root/etc/cloud/cloud.cfg.d/90_lxd.cfg"
# Host keys and the machine's id are each instance's own, the name is a template.
rm -rf "$root"/etc/ssh/ssh_host_*_key* "$root/etc/hostname" "$root"/var/lib/cloud/*
: >"$root/etc/machine-id"
