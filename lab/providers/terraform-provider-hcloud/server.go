package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"lab/providers/standin"
)

var serverTraits = standin.Traits{
	Replace: []string{"image", "location", "user_data", "ssh_keys"},
	Keep: []string{"id", "image", "location", "datacenter", "backup_window", "firewall_ids", "ipv4_address",
		"ipv6_address", "ipv6_network", "primary_disk_size", "public_net"},
	Fixed: []string{"server_type"},
	NotDone: []string{"datacenter", "network", "iso", "rescue", "backups", "placement_group_id", "delete_protection",
		"rebuild_protection", "shutdown_before_deletion"},
}

type servers struct{ *hcloud.Client }

func (s servers) Create(ctx context.Context, want standin.Values, save func(standin.Values)) (standin.Values, diag.Diagnostics) {
	limit, err := time.ParseDuration(want.Object("timeouts").Text("create"))
	if err != nil {
		limit = 90 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	options, err := s.options(ctx, want)
	if err != nil {
		return nil, failed(err)
	}
	made, _, err := s.Server.Create(ctx, options)
	if err != nil {
		return nil, failed(err)
	}
	want["id"] = text(made.Server.ID)
	save(want)
	if err := s.Action.WaitFor(ctx, append([]*hcloud.Action{made.Action}, made.NextActions...)...); err != nil {
		return nil, failed(err)
	}
	return s.Read(ctx, want)
}

// options looks things up in the order and with the words of the real one.
func (s servers) options(ctx context.Context, want standin.Values) (options hcloud.ServerCreateOpts, err error) {
	kind, _, err := s.ServerType.Get(ctx, want.Text("server_type"))
	if err != nil {
		return options, err
	}
	if kind == nil {
		return options, fmt.Errorf("server type %s not found", want.Text("server_type"))
	}
	image, _, err := s.Image.GetForArchitecture(ctx, want.Text("image"), kind.Architecture)
	if err != nil {
		return options, err
	}
	if image == nil {
		return options, fmt.Errorf("image %s for architecture %s not found", want.Text("image"), kind.Architecture)
	}
	options = hcloud.ServerCreateOpts{
		Name: want.Text("name"), ServerType: kind, Image: image, UserData: want.Text("user_data"), Labels: want.Texts("labels"),
		PublicNet: publicNet(want),
	}
	if location := want.Text("location"); location != "" {
		options.Location = &hcloud.Location{Name: location}
	}
	for _, given := range want.Items("ssh_keys") {
		key, _, err := s.SSHKey.Get(ctx, given.(string))
		if err != nil {
			return options, err
		}
		if key == nil {
			return options, fmt.Errorf("SSH key not found: %s", given)
		}
		options.SSHKeys = append(options.SSHKeys, key)
	}
	for _, given := range want.Items("firewall_ids") {
		options.Firewalls = append(options.Firewalls, &hcloud.ServerCreateFirewall{Firewall: hcloud.Firewall{ID: given.(int64)}})
	}
	return options, nil
}

// publicNet is on where nothing is said.
func publicNet(want standin.Values) *hcloud.ServerCreatePublicNet {
	for _, block := range want.Objects("public_net") {
		made := &hcloud.ServerCreatePublicNet{EnableIPv4: block["ipv4_enabled"] != false, EnableIPv6: block["ipv6_enabled"] != false}
		if id, given := block["ipv4"].(int64); given {
			made.IPv4 = &hcloud.PrimaryIP{ID: id}
		}
		if id, given := block["ipv6"].(int64); given {
			made.IPv6 = &hcloud.PrimaryIP{ID: id}
		}
		return made
	}
	return nil
}

func (s servers) Read(ctx context.Context, have standin.Values) (standin.Values, diag.Diagnostics) {
	is, _, err := s.Server.Get(ctx, have.Text("id"))
	switch {
	case missing(err) || err == nil && is == nil:
		return nil, nil
	case err != nil:
		return nil, failed(err)
	}
	return serverFound(have, is), nil
}

func serverFound(of standin.Values, is *hcloud.Server) standin.Values {
	firewalls := []any{}
	for _, firewall := range is.PublicNet.Firewalls {
		firewalls = append(firewalls, firewall.Firewall.ID)
	}
	made := standin.Merge(of, standin.Values{
		"id": text(is.ID), "name": is.Name, "status": string(is.Status), "server_type": is.ServerType.Name,
		"location": is.Location.Name, "backup_window": is.BackupWindow, "labels": labels(of, is.Labels),
		"firewall_ids": firewalls, "primary_disk_size": int64(is.PrimaryDiskSize), "ipv6_network": is.PublicNet.IPv6.Network.String(),
		"ipv4_address": nil, "ipv6_address": nil,
	})
	if !is.PublicNet.IPv4.IsUnspecified() {
		made["ipv4_address"] = is.PublicNet.IPv4.IP.String()
	}
	if len(is.PublicNet.IPv6.IP) > 0 {
		made["ipv6_address"] = is.PublicNet.IPv6.IP.String() + "1"
	}
	if is.Image != nil && made["image"] != text(is.Image.ID) {
		made["image"] = is.Image.Name
	}
	return made
}

func (s servers) Update(ctx context.Context, have, want standin.Values) (standin.Values, diag.Diagnostics) {
	server := &hcloud.Server{ID: id(have)}
	if _, _, err := s.Server.Update(ctx, server, hcloud.ServerUpdateOpts{
		Name: want.Text("name"), Labels: want.Texts("labels"),
	}); err != nil {
		return nil, failed(err)
	}
	on := []hcloud.FirewallResource{{Type: hcloud.FirewallResourceTypeServer, Server: &hcloud.FirewallResourceServer{ID: server.ID}}}
	before, after := have.Items("firewall_ids"), want.Items("firewall_ids")
	for _, change := range []struct {
		from, to []any
		do       func(context.Context, *hcloud.Firewall, []hcloud.FirewallResource) ([]*hcloud.Action, *hcloud.Response, error)
	}{{after, before, s.Firewall.RemoveResources}, {before, after, s.Firewall.ApplyResources}} {
		for _, firewall := range change.to {
			if slices.Contains(change.from, firewall) {
				continue
			}
			actions, _, err := change.do(ctx, &hcloud.Firewall{ID: firewall.(int64)}, on)
			if err == nil {
				err = s.Action.WaitFor(ctx, actions...)
			}
			if err != nil {
				return nil, failed(err)
			}
		}
	}
	if err := s.changeNet(ctx, server, have, want); err != nil {
		return nil, failed(err)
	}
	return s.Read(ctx, want)
}

// changeNet knows what an import leads to: for a block that says what is there already, and was not in the state, the real
// one switches the server off and on again.
func (s servers) changeNet(ctx context.Context, server *hcloud.Server, have, want standin.Values) error {
	if standin.Same(have["public_net"], want["public_net"]) {
		return nil
	}
	both := hcloud.ServerCreatePublicNet{EnableIPv4: true, EnableIPv6: true}
	if wanted := publicNet(want); len(have.Items("public_net")) > 0 || wanted == nil || *wanted != both {
		return errors.New("lab stand-in for hcloud 1.68.0: hcloud_server.public_net cannot be changed; the real provider can")
	}
	for _, power := range []func(context.Context, *hcloud.Server) (*hcloud.Action, *hcloud.Response, error){
		s.Server.Poweroff, s.Server.Poweron,
	} {
		action, _, err := power(ctx, server)
		if err == nil {
			err = s.Action.WaitFor(ctx, action)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s servers) Delete(ctx context.Context, have standin.Values) diag.Diagnostics {
	deleted, _, err := s.Server.DeleteWithResult(ctx, &hcloud.Server{ID: id(have)})
	if missing(err) {
		return nil
	}
	if err == nil {
		err = s.Action.WaitFor(ctx, deleted.Action)
	}
	if err != nil {
		return failed(err)
	}
	return nil
}

func (s servers) Import(id string) (standin.Values, diag.Diagnostics) { return importID(id) }
