package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"lab/providers/standin"
)

var firewallTraits = standin.Traits{
	Keep:     []string{"id", "labels"},
	NotDone:  []string{"apply_to"},
	Validate: validateRules,
}

type firewalls struct{ *hcloud.Client }

func validateRules(want standin.Values) (diags diag.Diagnostics) {
	directions, protocols := []string{"in", "out"}, []string{"icmp", "tcp", "udp", "esp", "gre"}
	refuse := func(format string, values ...any) { diags.AddError(fmt.Sprintf(format, values...), "") }
	for _, rule := range want.Objects("rule") {
		// Empty is not known yet.
		if direction := rule.Text("direction"); direction != "" && !slices.Contains(directions, direction) {
			refuse("%s is not a valid direction", direction)
		}
		if protocol := rule.Text("protocol"); protocol != "" && !slices.Contains(protocols, protocol) {
			refuse("%s is not a valid protocol", protocol)
		}
		for _, given := range append(rule.Items("source_ips"), rule.Items("destination_ips")...) {
			block, _ := given.(string)
			if ip, in, err := net.ParseCIDR(block); err != nil && block != "" {
				refuse("%s", err)
			} else if err == nil && !ip.Equal(in.IP) {
				refuse("%s is not the start of the cidr block %s", block, in)
			}
		}
	}
	return diags
}

func networks(items []any) []net.IPNet {
	var made []net.IPNet
	for _, item := range items {
		if _, block, err := net.ParseCIDR(item.(string)); err == nil {
			made = append(made, *block)
		}
	}
	return made
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func rules(of standin.Values) []hcloud.FirewallRule {
	made := []hcloud.FirewallRule{}
	for _, rule := range of.Objects("rule") {
		made = append(made, hcloud.FirewallRule{
			Direction: hcloud.FirewallRuleDirection(rule.Text("direction")), Protocol: hcloud.FirewallRuleProtocol(rule.Text("protocol")),
			Port: optional(rule.Text("port")), Description: optional(rule.Text("description")),
			SourceIPs: networks(rule.Items("source_ips")), DestinationIPs: networks(rule.Items("destination_ips")),
		})
	}
	return made
}

// ruleBlocks is the way back; what the API leaves out is null.
func ruleBlocks(rules []hcloud.FirewallRule) []any {
	given := func(text *string) any {
		if text == nil || *text == "" {
			return nil
		}
		return *text
	}
	blocks := func(networks []net.IPNet) any {
		var made []any
		for _, network := range networks {
			made = append(made, network.String())
		}
		if made == nil {
			return nil
		}
		return made
	}
	made := []any{}
	for _, rule := range rules {
		made = append(made, map[string]any{
			"direction": string(rule.Direction), "protocol": string(rule.Protocol), "port": given(rule.Port),
			"description": given(rule.Description), "source_ips": blocks(rule.SourceIPs), "destination_ips": blocks(rule.DestinationIPs),
		})
	}
	return made
}

// firewallFound keeps the rules as they were written where the API's say the same.
func firewallFound(of standin.Values, is *hcloud.Firewall) standin.Values {
	made := standin.Merge(of, standin.Values{"id": text(is.ID), "name": is.Name, "labels": standin.Map(is.Labels)})
	if !standin.Same(ruleBlocks(rules(of)), ruleBlocks(is.Rules)) {
		made["rule"] = ruleBlocks(is.Rules)
	}
	return made
}

func (f firewalls) Create(ctx context.Context, want standin.Values, save func(standin.Values)) (standin.Values, diag.Diagnostics) {
	made, _, err := f.Firewall.Create(ctx, hcloud.FirewallCreateOpts{
		Name: want.Text("name"), Labels: want.Texts("labels"), Rules: rules(want),
	})
	if err != nil {
		return nil, failed(err)
	}
	want["id"] = text(made.Firewall.ID)
	save(want)
	if err := f.Action.WaitFor(ctx, made.Actions...); err != nil {
		return nil, failed(err)
	}
	return f.Read(ctx, want)
}

func (f firewalls) Read(ctx context.Context, have standin.Values) (standin.Values, diag.Diagnostics) {
	is, _, err := f.Firewall.GetByID(ctx, id(have))
	switch {
	case err != nil:
		return nil, failed(err)
	case is == nil:
		return nil, nil
	}
	return firewallFound(have, is), nil
}

func (f firewalls) Update(ctx context.Context, have, want standin.Values) (standin.Values, diag.Diagnostics) {
	firewall := &hcloud.Firewall{ID: id(have)}
	if _, _, err := f.Firewall.Update(ctx, firewall, hcloud.FirewallUpdateOpts{
		Name: want.Text("name"), Labels: want.Texts("labels"),
	}); err != nil {
		return nil, failed(err)
	}
	if !standin.Same(have["rule"], want["rule"]) {
		actions, _, err := f.Firewall.SetRules(ctx, firewall, hcloud.FirewallSetRulesOpts{Rules: rules(want)})
		if err == nil {
			err = f.Action.WaitFor(ctx, actions...)
		}
		if err != nil {
			return nil, failed(err)
		}
	}
	return f.Read(ctx, want)
}

func (f firewalls) Delete(ctx context.Context, have standin.Values) diag.Diagnostics {
	firewall, _, err := f.Firewall.GetByID(ctx, id(have))
	if err != nil {
		return failed(err)
	}
	if firewall == nil {
		return nil
	}
	if len(firewall.AppliedTo) > 0 {
		actions, _, err := f.Firewall.RemoveResources(ctx, firewall, firewall.AppliedTo)
		if err == nil {
			err = f.Action.WaitFor(ctx, actions...)
		}
		if err != nil && !missing(err) && !hcloud.IsError(err, hcloud.ErrorCodeFirewallResourceNotFound) {
			return failed(err)
		}
	}
	return f.remove(ctx, firewall)
}

// remove tries again while the API still counts a server that is being deleted.
func (f firewalls) remove(ctx context.Context, firewall *hcloud.Firewall) diag.Diagnostics {
	const tries = 10
	var err error
	for range tries {
		_, err = f.Firewall.Delete(ctx, firewall)
		if err == nil || missing(err) {
			return nil
		}
		if !hcloud.IsError(err, hcloud.ErrorCodeConflict, hcloud.ErrorCodeResourceInUse) {
			break
		}
		time.Sleep(time.Second)
	}
	return failed(err)
}

func (f firewalls) Import(id string) (standin.Values, diag.Diagnostics) { return importID(id) }
