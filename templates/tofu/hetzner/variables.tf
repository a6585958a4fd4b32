# The values are in terraform.tfvars.json. The API token is no variable: the provider reads it from HCLOUD_TOKEN, so
# that it is in no file, plan or state.

variable "labels" {
  type        = map(string)
  description = "Which environment the host is made for, as labels on all that is made"
}

variable "name" {
  type        = string
  description = "The name of the server, its SSH key and its firewall"
}

variable "server_type" {
  type        = string
  description = "The kind of server"
}

variable "location" {
  type        = string
  description = "The place"
}

variable "image" {
  type        = string
  description = "The image that the server starts from"
}

variable "public_key" {
  type        = string
  description = "The public SSH key"
}

variable "open_ports" {
  type        = list(object({ protocol = string, port = string }))
  description = "The ports that the firewall lets in: SSH and what the tracker publishes"
}
