package main

import (
	"context"
	"crypto/sha1"
	"fmt"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"lab/providers/standin"
)

// The client asks for page after page.

func (k keys) list(ctx context.Context, config standin.Values) (standin.Values, diag.Diagnostics) {
	all, err := k.SSHKey.AllWithOpts(ctx, hcloud.SSHKeyListOpts{ListOpts: selected(config)})
	if err != nil {
		return nil, requestFailed(err)
	}
	return listed(config, "ssh_keys", all, func(is *hcloud.SSHKey) (int64, standin.Values) {
		return is.ID, keyFound(nil, is)
	}), nil
}

func (f firewalls) list(ctx context.Context, config standin.Values) (standin.Values, diag.Diagnostics) {
	all, err := f.Firewall.AllWithOpts(ctx, hcloud.FirewallListOpts{ListOpts: selected(config)})
	if err != nil {
		return nil, failed(err)
	}
	if config.Flag("most_recent") {
		slices.SortFunc(all, func(a, b *hcloud.Firewall) int { return b.Created.Compare(a.Created) })
	}
	return listed(config, "firewalls", all, func(is *hcloud.Firewall) (int64, standin.Values) {
		return is.ID, firewallFound(nil, is)
	}), nil
}

func (s servers) list(ctx context.Context, config standin.Values) (standin.Values, diag.Diagnostics) {
	options := hcloud.ServerListOpts{ListOpts: selected(config)}
	for _, status := range config.Items("with_status") {
		options.Status = append(options.Status, hcloud.ServerStatus(status.(string)))
	}
	all, err := s.Server.AllWithOpts(ctx, options)
	if err != nil {
		return nil, failed(err)
	}
	return listed(config, "servers", all, func(is *hcloud.Server) (int64, standin.Values) {
		return is.ID, serverFound(nil, is)
	}), nil
}

func selected(config standin.Values) hcloud.ListOpts {
	return hcloud.ListOpts{LabelSelector: config.Text("with_selector")}
}

// listed is the configuration with what was found. In a list an id is a number, and the list's own is made of them.
func listed[T any](config standin.Values, name string, all []T, read func(T) (int64, standin.Values)) standin.Values {
	items, ids := []any{}, ""
	for _, is := range all {
		id, found := read(is)
		found["id"] = id
		items = append(items, map[string]any(found))
		ids += text(id)
	}
	return standin.Merge(config, standin.Values{name: items, "id": fmt.Sprintf("%x", sha1.Sum([]byte(ids)))})
}
