// A lab stand-in for the provider hetznercloud/hcloud: SSH keys, firewalls and servers, and their lists, by the official client library.
package main

import (
	"os"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hetznercloud/hcloud-go/v2/hcloud"

	"lab/providers/schemas"
	"lab/providers/standin"
)

func main() {
	standin.Serve(standin.Provider{
		Name:    "hcloud",
		Version: "1.68.0",
		Facts:   standin.MustFacts(schemas.Hcloud),
		Traits: map[string]standin.Traits{
			"hcloud_ssh_key": keyTraits, "hcloud_firewall": firewallTraits, "hcloud_server": serverTraits,
		},
		Validate:  validate,
		Configure: configure,
	})
}

// either is the attribute, or where that says nothing the environment variable.
func either(config standin.Values, name, variable string) string {
	if text := config.Text(name); text != "" {
		return text
	}
	return os.Getenv(variable)
}

func validate(config standin.Values) diag.Diagnostics {
	const length = 64
	if token := either(config, "token", "HCLOUD_TOKEN"); token != "" && len(token) != length {
		return diag.Diagnostics{diag.NewAttributeErrorDiagnostic(path.Root("token"),
			"entered token is invalid (must be exactly 64 characters long)", "")}
	}
	return nil
}

func configure(config standin.Values) (standin.Working, diag.Diagnostics) {
	token := either(config, "token", "HCLOUD_TOKEN")
	if token == "" {
		return standin.Working{}, diag.Diagnostics{diag.NewAttributeErrorDiagnostic(path.Root("token"), "Missing Hetzner Cloud API token",
			"While configuring the provider, the Hetzner Cloud API token was not found in the HCLOUD_TOKEN environment "+
				"variable or provider configuration block token attribute.")}
	}
	options := []hcloud.ClientOption{hcloud.WithToken(token), hcloud.WithApplication("lab-stand-in", "1.68.0")}
	if endpoint := either(config, "endpoint", "HCLOUD_ENDPOINT"); endpoint != "" {
		options = append(options, hcloud.WithEndpoint(endpoint))
	}
	interval, err := time.ParseDuration(config.Text("poll_interval"))
	if err != nil {
		interval = 500 * time.Millisecond
	}
	backoff := hcloud.ExponentialBackoffWithOpts(
		hcloud.ExponentialBackoffOpts{Base: interval, Multiplier: 2, Cap: 10 * time.Second})
	if config.Text("poll_function") == "constant" {
		backoff = hcloud.ConstantBackoff(interval)
	}
	options = append(options, hcloud.WithPollOpts(hcloud.PollOpts{BackoffFunc: backoff}))
	client := hcloud.NewClient(options...)
	return standin.Working{
		Resources: map[string]standin.Kind{
			"hcloud_ssh_key": keys{client}, "hcloud_firewall": firewalls{client}, "hcloud_server": servers{client},
		},
		DataSources: map[string]standin.Source{
			"hcloud_ssh_keys": keys{client}.list, "hcloud_firewalls": firewalls{client}.list, "hcloud_servers": servers{client}.list,
		},
	}, nil
}
