package main

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"lab/providers/standin"
)

var keyTraits = standin.Traits{
	Replace:  []string{"public_key"},
	Keep:     []string{"id", "fingerprint"},
	Defaults: standin.Values{"labels": map[string]any{}},
}

type keys struct{ *hcloud.Client }

func keyFound(of standin.Values, is *hcloud.SSHKey) standin.Values {
	return standin.Merge(of, standin.Values{
		"id": text(is.ID), "name": is.Name, "fingerprint": is.Fingerprint, "public_key": is.PublicKey, "labels": standin.Map(is.Labels),
	})
}

func (k keys) Create(ctx context.Context, want standin.Values, _ func(standin.Values)) (standin.Values, diag.Diagnostics) {
	is, _, err := k.SSHKey.Create(ctx, hcloud.SSHKeyCreateOpts{
		Name: want.Text("name"), PublicKey: want.Text("public_key"), Labels: want.Texts("labels"),
	})
	if err != nil {
		return nil, requestFailed(err)
	}
	return keyFound(want, is), nil
}

func (k keys) Read(ctx context.Context, have standin.Values) (standin.Values, diag.Diagnostics) {
	is, _, err := k.SSHKey.GetByID(ctx, id(have))
	switch {
	case err != nil:
		return nil, requestFailed(err)
	case is == nil:
		return nil, nil
	}
	return keyFound(have, is), nil
}

func (k keys) Update(ctx context.Context, have, want standin.Values) (standin.Values, diag.Diagnostics) {
	is, _, err := k.SSHKey.Update(ctx, &hcloud.SSHKey{ID: id(have)}, hcloud.SSHKeyUpdateOpts{
		Name: want.Text("name"), Labels: want.Texts("labels"),
	})
	if err != nil {
		return nil, requestFailed(err)
	}
	return keyFound(want, is), nil
}

func (k keys) Delete(ctx context.Context, have standin.Values) diag.Diagnostics {
	if _, err := k.SSHKey.Delete(ctx, &hcloud.SSHKey{ID: id(have)}); err != nil && !missing(err) {
		return requestFailed(err)
	}
	return nil
}

func (k keys) Import(id string) (standin.Values, diag.Diagnostics) { return importID(id) }
