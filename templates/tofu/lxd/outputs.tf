locals {
  # Of the network device that main.tf gives it. The instance's own ipv4_address is the last one found: with Docker
  # inside that of a bridge which nobody reaches.
  addresses = try([for ip in lxd_instance.host.interfaces["eth0"].ips : ip if ip.scope == "global"], [])
}

output "id" {
  value = lxd_instance.host.name
}

output "name" {
  value = lxd_instance.host.name
}

output "ipv4_address" {
  value = try([for ip in local.addresses : ip.address if ip.family == "inet"][0], null)
}

output "ipv6_address" {
  value = try([for ip in local.addresses : ip.address if ip.family == "inet6"][0], null)
}
