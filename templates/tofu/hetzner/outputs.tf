output "id" {
  value = hcloud_server.host.id
}

output "name" {
  value = hcloud_server.host.name
}

output "ipv4_address" {
  value = hcloud_server.host.ipv4_address
}

output "ipv6_address" {
  value = hcloud_server.host.ipv6_address
}
