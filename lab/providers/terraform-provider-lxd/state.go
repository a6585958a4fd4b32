package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"lab/providers/standin"
)

// instanceState is what the daemon sees of a running instance.
type instanceState struct {
	Status    string             `json:"status"`
	Processes int                `json:"processes"`
	Network   map[string]network `json:"network"`
}

type network struct {
	Addresses []struct {
		Family, Address, Scope string
	} `json:"addresses"`
	Hwaddr string `json:"hwaddr"`
	State  string `json:"state"`
	Type   string `json:"type"`
}

func (n network) global(family string) any {
	for _, at := range n.Addresses {
		if at.Scope == "global" && at.Family == family {
			return at.Address
		}
	}
	return nil
}

func look(ctx context.Context, c *client, of standin.Values) (state instanceState, err error) {
	err = c.get(ctx, instancePath(of)+"/state", &state)
	return state, err
}

func (s instanceState) running() bool { return s.Status == "Running" || s.Status == "Ready" }

// found is all that the state keeps of the instance as it is now.
func (i instances) found(ctx context.Context, c *client, of standin.Values) (standin.Values, diag.Diagnostics) {
	var is instance
	if err := c.get(ctx, instancePath(of), &is); err != nil {
		return nil, standin.Error(fmt.Sprintf("Failed to sync state for instance %q", of.Text("name")), err.Error())
	}
	now, err := look(ctx, c, of)
	if err != nil {
		return nil, standin.Error(fmt.Sprintf("Failed to retrieve state of instance %q", of.Text("name")), err.Error())
	}
	location := is.Location
	if location == "none" {
		location = ""
	}
	profiles := []any{}
	for _, name := range is.Profiles {
		profiles = append(profiles, name)
	}
	made := standin.Merge(of, standin.Values{
		"type": is.Type, "description": is.Description, "ephemeral": is.Ephemeral, "status": is.Status,
		"location": location, "profiles": profiles, "config": config(is.Config, of), "device": deviceBlocks(is.Devices),
		"running": now.running(), "allow_restart": of.Flag("allow_restart"), "interfaces": interfaces(now.Network, is.Config),
		"ipv4_address": nil, "ipv6_address": nil, "mac_address": nil,
	})
	if card, there := access(is, now); there {
		made["ipv4_address"], made["ipv6_address"], made["mac_address"] = card.global("inet"), card.global("inet6"), card.Hwaddr
	}
	return made, nil
}

// access is the interface by which the instance is reached: the named one, else the first with a global address.
func access(is instance, now instanceState) (network, bool) {
	if named, given := is.ExpandedConfig["user.access_interface"]; given {
		card, there := now.Network[named]
		return card, there
	}
	for _, name := range slices.Sorted(maps.Keys(now.Network)) {
		card := now.Network[name]
		if name != "lo" && (card.global("inet") != nil || card.global("inet6") != nil) {
			return card, true
		}
	}
	return network{}, false
}

// interfaces go by their devices' names, which the daemon tells beside the hardware address.
func interfaces(cards map[string]network, config map[string]string) map[string]any {
	made := map[string]any{}
	for name, card := range cards {
		for key, value := range config {
			parts := strings.Split(key, ".")
			if value != card.Hwaddr || len(parts) != 3 || parts[0] != "volatile" {
				continue
			}
			ips := []any{}
			for _, at := range card.Addresses {
				ips = append(ips, map[string]any{"address": at.Address, "family": at.Family, "scope": at.Scope})
			}
			made[parts[1]] = map[string]any{"name": name, "state": card.State, "type": card.Type, "ips": ips}
		}
	}
	return made
}

// start also waits for what wait_for asks.
func start(ctx context.Context, c *client, want standin.Values) diag.Diagnostics {
	if !want.Flag("running") {
		return nil
	}
	name := want.Text("name")
	body := map[string]any{"action": "start", "timeout": 180}
	if err := c.send(ctx, http.MethodPut, instancePath(want)+"/state", body, nil); err != nil {
		return standin.Error(fmt.Sprintf("Failed to start instance %q", name), err.Error())
	}
	for _, block := range want.Objects("wait_for") {
		if err := waitFor(ctx, c, want, block); err != nil {
			return standin.Error(fmt.Sprintf("Failed to wait for instance %q %s", name, waits[block.Text("type")]), err.Error())
		}
	}
	return nil
}

var waits = map[string]string{
	"agent": "agent to be ready", "delay": "", "ipv4": "to get an IP address", "ipv6": "to get an IP address", "ready": "to be ready",
}

func waitFor(ctx context.Context, c *client, want, block standin.Values) error {
	if delay, err := time.ParseDuration(block.Text("delay")); err == nil {
		return pause(ctx, delay)
	}
	const longest = 3 * time.Minute
	// The real one sleeps this long before it looks, by when the other address is mostly there as well.
	next := 4 * time.Second
	for began := time.Now(); time.Since(began) < longest; next = 250 * time.Millisecond {
		if err := pause(ctx, next); err != nil {
			return err
		}
		now, err := look(ctx, c, want)
		if err != nil || now.fulfils(block) {
			return err
		}
	}
	return fmt.Errorf("timeout while waiting for state to become 'OK' (last state: 'Waiting', timeout: 3m0s)")
}

func (s instanceState) fulfils(block standin.Values) bool {
	switch block.Text("type") {
	case "agent":
		return s.running() && s.Processes > 0
	case "ready":
		return s.Status == "Ready"
	}
	family := map[string]string{"ipv4": "inet", "ipv6": "inet6"}[block.Text("type")]
	for name, card := range s.Network {
		if nic := block.Text("nic"); (nic == "" || nic == name) && card.global(family) != nil {
			return true
		}
	}
	return false
}

func pause(ctx context.Context, long time.Duration) error {
	select {
	case <-time.After(long):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func stop(ctx context.Context, c *client, of standin.Values, force bool) diag.Diagnostics {
	now, err := look(ctx, c, of)
	if missing(err) || err == nil && now.Status == "Stopped" {
		return nil
	}
	if err != nil {
		return standin.Error(fmt.Sprintf("Failed to retrieve state of instance %q", of.Text("name")), err.Error())
	}
	body := map[string]any{"action": "stop", "force": force, "timeout": 180}
	if err := c.send(ctx, http.MethodPut, instancePath(of)+"/state", body, nil); err != nil && !missing(err) {
		return standin.Error(fmt.Sprintf("Failed to stop instance %q", of.Text("name")), err.Error())
	}
	return nil
}

// validateInstance refuses what the real one refuses before a plan.
func validateInstance(want standin.Values) diag.Diagnostics {
	kind := want.Text("type")
	invalid := func(detail string) diag.Diagnostics { return standin.Error("Invalid Configuration", detail) }
	for _, block := range want.Objects("wait_for") {
		of, delay, nic := block.Text("type"), block.Text("delay"), block.Text("nic")
		_, known := waits[of]
		_, err := time.ParseDuration(delay)
		switch {
		case !known && of != "":
			return standin.Error("Invalid Attribute Value Match",
				fmt.Sprintf("Attribute wait_for type value must be one of: %q, got: %q", slices.Sorted(maps.Keys(waits)), of))
		case nic != "" && of != "ipv4" && of != "ipv6":
			return invalid(`The "nic" can only be set when wait_for type is "ipv4" or "ipv6".`)
		case of == "agent" && kind != "virtual-machine":
			return invalid(`Wait_for type "agent" is not valid for containers.`)
		case of == "delay" && err != nil:
			return invalid(fmt.Sprintf("Invalid wait_for delay duration %q: %v.", delay, err))
		case of != "delay" && delay != "":
			return invalid(`The "delay" attribute can only be set when wait_for type is "delay".`)
		}
	}
	return nil
}
