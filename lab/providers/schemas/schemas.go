// Package schemas holds the facts of the real providers' schemas: names, types, and what is required or computed, as
// `tofu providers schema -json` prints them, without the texts.
package schemas

import _ "embed"

//go:embed lxd-3.0.2.json
var LXD []byte

//go:embed hcloud-1.68.0.json
var Hcloud []byte
