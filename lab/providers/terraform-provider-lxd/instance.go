package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"lab/providers/standin"
)

var instanceTraits = standin.Traits{
	Replace: []string{"type", "image", "ephemeral", "project"},
	Fixed:   []string{"name"},
	Defaults: standin.Values{
		"description": "", "type": "container", "ephemeral": false, "running": true, "allow_restart": false,
		"profiles": []any{"default"}, "project": "default", "config": map[string]any{},
	},
	NotDone:  []string{"execs", "file", "target"},
	Validate: validateInstance,
}

type instances struct{ remotes }

type instance struct {
	Name        string                       `json:"name,omitempty"`
	Type        string                       `json:"type,omitempty"`
	Description string                       `json:"description"`
	Ephemeral   bool                         `json:"ephemeral"`
	Config      map[string]string            `json:"config"`
	Devices     map[string]map[string]string `json:"devices"`
	Profiles    []string                     `json:"profiles"`
	Source      map[string]string            `json:"source,omitempty"`

	Architecture   string            `json:"architecture,omitempty"`
	Status         string            `json:"status,omitempty"`
	Location       string            `json:"location,omitempty"`
	ExpandedConfig map[string]string `json:"expanded_config,omitempty"`
}

func instancePath(of standin.Values) string {
	return "/1.0/instances/" + url.PathEscape(of.Text("name"))
}

// within limits the work to what the timeouts block says, or to the real one's five minutes.
func within(ctx context.Context, of standin.Values, work string) (context.Context, context.CancelFunc) {
	limit, err := time.ParseDuration(of.Object("timeouts").Text(work))
	if err != nil {
		limit = 5 * time.Minute
	}
	return context.WithTimeout(ctx, limit)
}

func (i instances) Create(ctx context.Context, want standin.Values, save func(standin.Values)) (standin.Values, diag.Diagnostics) {
	ctx, cancel := within(ctx, want, "create")
	defer cancel()
	c, diags := i.open(ctx, want)
	if diags != nil {
		return nil, diags
	}
	body := instance{Name: want.Text("name"), Type: want.Text("type"), Ephemeral: want.Flag("ephemeral")}
	fill(&body, want)
	if body.Source, diags = i.source(ctx, c, want); diags != nil {
		return nil, diags
	}
	// Not ended by an interrupt: an instance half made would be one that no state knows.
	if err := c.send(context.WithoutCancel(ctx), http.MethodPost, "/1.0/instances", body, nil); err != nil {
		return nil, standin.Error(fmt.Sprintf("Failed to create instance %q", body.Name), err.Error())
	}
	save(want)
	if diags := start(ctx, c, want); diags != nil {
		return nil, diags
	}
	return i.found(ctx, c, want)
}

func fill(body *instance, want standin.Values) {
	body.Description, body.Devices = want.Text("description"), devices(want)
	body.Config = map[string]string{}
	for key, value := range want.Texts("config") {
		if value != "" {
			body.Config[key] = value
		}
	}
	body.Profiles = []string{}
	for _, name := range want.Items("profiles") {
		body.Profiles = append(body.Profiles, name.(string))
	}
}

// source finds the image by alias or fingerprint; what an image server has, the daemon gets by itself.
func (i instances) source(ctx context.Context, c *client, want standin.Values) (map[string]string, diag.Diagnostics) {
	image := want.Text("image")
	if image == "" {
		return map[string]string{"type": "none"}, nil
	}
	if remote, name, there := strings.Cut(image, ":"); there {
		if at := i.named[remote]; at.protocol == streams {
			return map[string]string{"type": "image", "mode": "pull", "server": at.address, "protocol": streams, "alias": name}, nil
		}
		if _, err := i.dial(ctx, remote, want.Text("project")); err != nil {
			return nil, standin.Error("Failed to retrieve LXD ImageServer",
				fmt.Sprintf("Failed to retrieve server for remote %q: %s", remote, err))
		}
		image = name
	}
	var found struct {
		Target      string `json:"target"`
		Fingerprint string `json:"fingerprint"`
	}
	if err := c.get(ctx, "/1.0/images/aliases/"+url.PathEscape(image), &found); err == nil {
		image = found.Target
	}
	if err := c.get(ctx, "/1.0/images/"+url.PathEscape(image), &found); err != nil {
		return nil, standin.Error(fmt.Sprintf("Failed to retrieve image info for instance %q", want.Text("name")), err.Error())
	}
	return map[string]string{"type": "image", "fingerprint": found.Fingerprint}, nil
}

func (i instances) Read(ctx context.Context, have standin.Values) (standin.Values, diag.Diagnostics) {
	ctx, cancel := within(ctx, have, "read")
	defer cancel()
	c, diags := i.open(ctx, have)
	if diags != nil {
		return nil, diags
	}
	if err := c.get(ctx, instancePath(have), nil); missing(err) {
		return nil, nil
	}
	return i.found(ctx, c, have)
}

func (i instances) Update(ctx context.Context, have, want standin.Values) (standin.Values, diag.Diagnostics) {
	ctx, cancel := within(ctx, want, "update")
	defer cancel()
	c, diags := i.open(ctx, want)
	if diags != nil {
		return nil, diags
	}
	var is instance
	if err := c.get(ctx, instancePath(want), &is); err != nil {
		return nil, standin.Error(fmt.Sprintf("Failed to retrieve existing instance %q", want.Text("name")), err.Error())
	}
	body := instance{Architecture: is.Architecture, Ephemeral: is.Ephemeral}
	fill(&body, want)
	for key, value := range is.Config {
		if strings.HasPrefix(key, "volatile.") || strings.HasPrefix(key, "image.") {
			body.Config[key] = value
		}
	}
	if err := c.send(ctx, http.MethodPut, instancePath(want), body, nil); err != nil {
		return nil, standin.Error(fmt.Sprintf("Failed to update instance %q", want.Text("name")), err.Error())
	}
	if !want.Flag("running") {
		diags = stop(ctx, c, want, false)
	} else if !have.Flag("running") {
		diags = start(ctx, c, want)
	}
	if diags != nil {
		return nil, diags
	}
	return i.found(ctx, c, want)
}

func (i instances) Delete(ctx context.Context, have standin.Values) diag.Diagnostics {
	ctx, cancel := within(ctx, have, "delete")
	defer cancel()
	c, diags := i.open(ctx, have)
	if diags != nil {
		return diags
	}
	if diags := stop(ctx, c, have, true); diags != nil {
		return diags
	}
	if err := c.send(ctx, http.MethodDelete, instancePath(have), nil, nil); err != nil && !missing(err) {
		return standin.Error(fmt.Sprintf("Failed to remove instance %q", have.Text("name")), err.Error())
	}
	return nil
}

func (i instances) Import(id string) (standin.Values, diag.Diagnostics) { return importName(id) }
