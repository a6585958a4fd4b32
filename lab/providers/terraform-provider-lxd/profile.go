package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"lab/providers/standin"
)

var profileTraits = standin.Traits{
	Replace:  []string{"name", "project"},
	Defaults: standin.Values{"project": "default", "description": "", "config": map[string]any{}},
}

type profiles struct{ remotes }

type profile struct {
	Name        string                       `json:"name,omitempty"`
	Description string                       `json:"description"`
	Config      map[string]string            `json:"config"`
	Devices     map[string]map[string]string `json:"devices"`
}

func wanted(want standin.Values) profile {
	return profile{Description: want.Text("description"), Config: want.Texts("config"), Devices: devices(want)}
}

func profilePath(of standin.Values) string { return "/1.0/profiles/" + url.PathEscape(of.Text("name")) }

func (p profiles) Create(ctx context.Context, want standin.Values, save func(standin.Values)) (standin.Values, diag.Diagnostics) {
	c, diags := p.open(ctx, want)
	if diags != nil {
		return nil, diags
	}
	body := wanted(want)
	body.Name = want.Text("name")
	if err := c.send(ctx, http.MethodPost, "/1.0/profiles", body, nil); err != nil {
		return nil, standin.Error(fmt.Sprintf("Failed to create profile %q", body.Name), err.Error())
	}
	save(want)
	return p.found(ctx, c, want)
}

func (p profiles) found(ctx context.Context, c *client, of standin.Values) (standin.Values, diag.Diagnostics) {
	var is profile
	if err := c.get(ctx, profilePath(of), &is); err != nil {
		return nil, standin.Error(fmt.Sprintf("Failed to sync state for profile %q", of.Text("name")), err.Error())
	}
	return standin.Merge(of, standin.Values{
		"description": is.Description, "config": config(is.Config, of), "device": deviceBlocks(is.Devices),
	}), nil
}

func (p profiles) Read(ctx context.Context, have standin.Values) (standin.Values, diag.Diagnostics) {
	c, diags := p.open(ctx, have)
	if diags != nil {
		return nil, diags
	}
	if err := c.get(ctx, profilePath(have), nil); missing(err) {
		return nil, nil
	}
	return p.found(ctx, c, have)
}

func (p profiles) Update(ctx context.Context, _, want standin.Values) (standin.Values, diag.Diagnostics) {
	c, diags := p.open(ctx, want)
	if diags != nil {
		return nil, diags
	}
	if err := c.send(ctx, http.MethodPut, profilePath(want), wanted(want), nil); err != nil {
		return nil, standin.Error(fmt.Sprintf("Failed to update profile %q", want.Text("name")), err.Error())
	}
	return p.found(ctx, c, want)
}

func (p profiles) Delete(ctx context.Context, have standin.Values) diag.Diagnostics {
	c, diags := p.open(ctx, have)
	if diags != nil {
		return diags
	}
	if err := c.send(ctx, http.MethodDelete, profilePath(have), nil, nil); err != nil && !missing(err) {
		return standin.Error(fmt.Sprintf("Failed to remove profile %q", have.Text("name")), err.Error())
	}
	return nil
}

func (p profiles) Import(id string) (standin.Values, diag.Diagnostics) { return importName(id) }
