provider "lxd" {
  # The socket of this machine's LXD; the remotes of images (ubuntu:, images:) are known without being declared.
  remote {
    name    = "local"
    address = "unix://"
  }
}

resource "lxd_profile" "host" {
  name = var.profile_name

  config = merge(
    {
      "cloud-init.user-data"                      = file("${path.module}/cloud-init.yml")
      "limits.cpu"                                = tostring(var.cpus)
      "limits.memory"                             = var.memory
      "user.torrust-tracker-deployer.environment" = var.environment
      "user.torrust-tracker-deployer.mark"        = var.mark
    },
    # Docker runs inside.
    var.instance_type == "container" ? { "security.nesting" = "true" } : {},
    var.config,
  )

  device {
    name = "root"
    type = "disk"
    properties = {
      path = "/"
      pool = var.storage_pool
      size = var.disk
    }
  }

  device {
    name = "eth0"
    type = "nic"
    properties = {
      name    = "eth0"
      network = var.network
    }
  }
}

resource "lxd_instance" "host" {
  name     = var.instance_name
  type     = var.instance_type
  image    = var.image
  profiles = [lxd_profile.host.name]

  wait_for {
    type = "ipv4"
  }

  lifecycle {
    # An alias leads to a newer image one day: no reason to make the host, with all its data, anew.
    ignore_changes = [image]
  }
}
