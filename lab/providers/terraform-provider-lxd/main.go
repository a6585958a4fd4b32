// A lab stand-in for the provider terraform-lxd/lxd: profiles and instances on a real LXD, over its REST API.
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"lab/providers/schemas"
	"lab/providers/standin"
)

func main() {
	standin.Serve(standin.Provider{
		Name:      "lxd",
		Version:   "3.0.2",
		Facts:     standin.MustFacts(schemas.LXD),
		Traits:    map[string]standin.Traits{"lxd_profile": profileTraits, "lxd_instance": instanceTraits},
		Validate:  func(standin.Values) diag.Diagnostics { return nil },
		Configure: configure,
	})
}

// remotes are those that the provider block names.
type remotes struct {
	named    map[string]remote
	standard string
}

type remote struct{ address, protocol string }

// imageServers are the remotes that every LXD client knows without being told.
var imageServers = map[string]string{
	"images":               "https://images.lxd.canonical.com",
	"ubuntu":               "https://cloud-images.ubuntu.com/releases/",
	"ubuntu-daily":         "https://cloud-images.ubuntu.com/daily/",
	"ubuntu-minimal":       "https://cloud-images.ubuntu.com/minimal/releases/",
	"ubuntu-minimal-daily": "https://cloud-images.ubuntu.com/minimal/daily/",
}

const streams = "simplestreams"

func configure(config standin.Values) (standin.Working, diag.Diagnostics) {
	found, err := readRemotes(config)
	if err != nil {
		return standin.Working{}, standin.Error("Failed to initialize LXD provider", err.Error())
	}
	resources := map[string]standin.Kind{"lxd_profile": profiles{found}, "lxd_instance": instances{found}}
	return standin.Working{Resources: resources}, nil
}

func readRemotes(config standin.Values) (remotes, error) {
	found := remotes{map[string]remote{}, config.Text("default_remote")}
	for name, address := range imageServers {
		found.named[name] = remote{address, streams}
	}
	blocks := config.Objects("remote")
	for _, block := range blocks {
		address := block.Text("address")
		if address == "" || strings.HasPrefix(address, "/") {
			address = "unix://" + address
		}
		found.named[block.Text("name")] = remote{address, block.Text("protocol")}
		if len(blocks) == 1 && found.standard == "" {
			found.standard = block.Text("name")
		}
	}
	_, there := found.named[found.standard]
	switch {
	case len(blocks) == 0:
		return found, errors.New("At least one remote must be defined in the provider configuration")
	case found.standard == "":
		return found, errors.New("When multiple remotes are defined, a default remote must be specified")
	case !there:
		return found, fmt.Errorf("Default remote %q is not defined in the provider configuration", found.standard)
	}
	return found, nil
}

// open connects to the remote that a resource names.
func (r remotes) open(ctx context.Context, of standin.Values) (*client, diag.Diagnostics) {
	name := of.Text("remote")
	if name == "" {
		name = r.standard
	}
	c, err := r.dial(ctx, name, of.Text("project"))
	if err != nil {
		return nil, standin.Error("Failed to retrieve LXD InstanceServer",
			fmt.Sprintf("Failed to retrieve server for remote %q: %s", name, err))
	}
	return c, nil
}

func (r remotes) dial(ctx context.Context, name, project string) (*client, error) {
	remote, there := r.named[name]
	if !there {
		return nil, fmt.Errorf("Unknown remote %q", name)
	}
	if !strings.HasPrefix(remote.address, "unix:") {
		return nil, fmt.Errorf("the lab stand-in for lxd 3.0.2 speaks to unix sockets alone, not to %s", remote.address)
	}
	c, err := connect(ctx, remote.address, project)
	if err != nil {
		return nil, fmt.Errorf("Failed to connect to LXD server: %w", err)
	}
	return c, nil
}

// importName reads [remote:][project/]name.
func importName(id string) (standin.Values, diag.Diagnostics) {
	found := standin.Values{"project": "default"}
	rest, image, _ := strings.Cut(id, ",image=")
	if image != "" {
		found["image"] = image
	}
	if remote, after, there := strings.Cut(rest, ":"); there {
		found["remote"], rest = remote, after
	}
	if project, after, there := strings.Cut(rest, "/"); there {
		found["project"], rest = project, after
	}
	if rest == "" {
		return nil, standin.Error(fmt.Sprintf("Invalid import ID: %q", id), `Import ID requires non-empty value for "name"`)
	}
	found["name"] = rest
	return found, nil
}

// devices between the daemon's form, by name, and the schema's blocks.
func devices(of standin.Values) map[string]map[string]string {
	made := map[string]map[string]string{}
	for _, block := range of.Objects("device") {
		device := block.Texts("properties")
		device["type"] = block.Text("type")
		made[block.Text("name")] = device
	}
	return made
}

func deviceBlocks(devices map[string]map[string]string) []any {
	made := []any{}
	for name, device := range devices {
		properties := standin.Map(device)
		delete(properties, "type")
		made = append(made, map[string]any{"name": name, "type": device["type"], "properties": properties})
	}
	return made
}

// config is the daemon's, without what it keeps for itself, and with what the user left empty on purpose.
func config(has map[string]string, user standin.Values) map[string]any {
	made := map[string]any{}
	given := user.Object("config")
	for key, value := range has {
		own := strings.HasPrefix(key, "volatile.") || strings.HasPrefix(key, "image.")
		if _, asked := given[key]; value != "" && (asked || !own) {
			made[key] = value
		}
	}
	for key, value := range given {
		if value == nil || value == "" {
			made[key] = value
		}
	}
	return made
}
