# Here only while the profile is there and carries this environment's mark: one that an apply that was killed made and
# could not write down is taken over instead of being made twice.

import {
  to = lxd_profile.host
  id = var.profile_name
}
