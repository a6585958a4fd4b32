provider "hcloud" {
  # By itself it looks at ever longer intervals, and finds what is done up to ten seconds late.
  poll_function = "constant"
  poll_interval = "1s"
}

# A project has each public key once: one that somebody else brought is used as it is.
data "hcloud_ssh_keys" "all" {}

locals {
  key    = join(" ", slice(split(" ", var.public_key), 0, 2))
  theirs = [for key in data.hcloud_ssh_keys.all.ssh_keys : key.id if startswith(key.public_key, local.key) && lookup(key.labels, "mark", "") != var.labels.mark]
}

resource "hcloud_ssh_key" "host" {
  count = length(local.theirs) == 0 ? 1 : 0

  name       = var.name
  public_key = var.public_key
  labels     = var.labels
}

resource "hcloud_firewall" "host" {
  name   = var.name
  labels = var.labels

  dynamic "rule" {
    for_each = var.open_ports
    content {
      direction  = "in"
      protocol   = rule.value.protocol
      port       = rule.value.port
      source_ips = ["0.0.0.0/0", "::/0"]
    }
  }
}

resource "hcloud_server" "host" {
  name         = var.name
  server_type  = var.server_type
  location     = var.location
  image        = var.image
  ssh_keys     = length(local.theirs) == 0 ? [hcloud_ssh_key.host[0].id] : [local.theirs[0]]
  firewall_ids = [hcloud_firewall.host.id]
  user_data    = file("${path.module}/cloud-init.yml")
  labels       = var.labels

  public_net {
    ipv4_enabled = true
    ipv6_enabled = true
  }

  lifecycle {
    # What only the first start looks at: no reason to make the host, with all its data, anew. And the addresses of a
    # server that is taken over are as they were asked for: the provider would switch it off to give them again.
    ignore_changes = [image, public_net, ssh_keys, user_data]
  }
}
