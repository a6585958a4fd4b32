# What an apply that was killed made and could not write down is taken over instead of being made twice. The selector is
# this environment's alone; what is in the state already stays as it is.

locals {
  mine = "environment=${var.labels.environment},mark=${var.labels.mark}"
}

data "hcloud_ssh_keys" "left" {
  with_selector = local.mine
}

import {
  for_each = toset(length(local.theirs) == 0 ? [for key in data.hcloud_ssh_keys.left.ssh_keys : tostring(key.id)] : [])
  to       = hcloud_ssh_key.host[0]
  id       = each.value
}

data "hcloud_firewalls" "left" {
  with_selector = local.mine
}

import {
  for_each = toset([for firewall in data.hcloud_firewalls.left.firewalls : tostring(firewall.id)])
  to       = hcloud_firewall.host
  id       = each.value
}

data "hcloud_servers" "left" {
  with_selector = local.mine
}

import {
  for_each = toset([for server in data.hcloud_servers.left.servers : tostring(server.id)])
  to       = hcloud_server.host
  id       = each.value
}
