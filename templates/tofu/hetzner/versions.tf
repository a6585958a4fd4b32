terraform {
  required_version = ">= 1.6"

  required_providers {
    hcloud = {
      source  = "hetznercloud/hcloud"
      version = "1.68.0"
    }
  }

  # The state lies with the environment's data; `init -backend-config=path=FILE` says where.
  backend "local" {}
}
