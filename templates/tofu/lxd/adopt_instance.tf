# As adopt_profile.tf, for an instance with that profile.

import {
  to = lxd_instance.host
  id = "${var.instance_name},image=${var.image}"
}
