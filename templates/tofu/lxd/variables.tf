# The values are in terraform.tfvars.json.

variable "environment" {
  type        = string
  description = "The environment that the host is made for, for people who look"
}

variable "mark" {
  type        = string
  description = "Tells this environment from all others, also those of its name"
}

variable "instance_name" {
  type        = string
  description = "The instance's name"
}

variable "instance_type" {
  type        = string
  description = "container or virtual-machine"
}

variable "profile_name" {
  type        = string
  description = "The profile's name"
}

variable "image" {
  type        = string
  description = "The image that the instance starts from: an alias of this LXD, or REMOTE:ALIAS"
}

variable "cpus" {
  type        = number
  description = "How many processors"
}

variable "memory" {
  type        = string
  description = "How much memory, with its unit"
}

variable "disk" {
  type        = string
  description = "How large the root disk is, with its unit"
}

variable "network" {
  type        = string
  description = "The LXD network that the instance joins"
}

variable "storage_pool" {
  type        = string
  description = "The LXD storage pool of the root disk"
}

variable "config" {
  type        = map(string)
  description = "More instance keys"
}
