terraform {
  required_version = ">= 1.6"

  required_providers {
    lxd = {
      source  = "terraform-lxd/lxd"
      version = "3.0.2"
    }
  }

  # The state lies with the environment's data; `init -backend-config=path=FILE` says where.
  backend "local" {}
}
