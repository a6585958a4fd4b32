// Compares what OpenTofu says of the served providers with the facts in schemas/: every row that differs is printed.
// It uses the tofu on PATH and the mirror that TF_CLI_CONFIG_FILE names; lab/providers.sh sets both.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"lab/providers/schemas"
)

type tree = map[string]any

const config = `terraform {
  required_providers {
    lxd    = { source = "terraform-lxd/lxd", version = "3.0.2" }
    hcloud = { source = "hetznercloud/hcloud", version = "1.68.0" }
  }
}
`

func main() {
	log.SetFlags(0)
	log.SetPrefix("compare: ")
	served, differ, same := schemasOf(), 0, 0
	for _, name := range []string{"lxd", "hcloud"} {
		var known tree
		must(json.Unmarshal(map[string][]byte{"lxd": schemas.LXD, "hcloud": schemas.Hcloud}[name], &known))
		want, is := map[string]string{}, map[string]string{}
		rows(want, "provider", known["provider_config"].(tree))
		rows(is, "provider", served[name]["provider"].(tree))
		gather(want, is, "", known["resources"], served[name]["resource_schemas"])
		gather(want, is, "data ", known["data_sources"], served[name]["data_source_schemas"])
		for _, row := range slices.Sorted(maps.Keys(union(want, is))) {
			if want[row] == is[row] {
				same++
				continue
			}
			differ++
			fmt.Printf("%s: %s\n  the facts: %s\n  served:    %s\n", name, row, want[row], is[row])
		}
	}
	fmt.Printf("schema rows that are the same: %d, that differ: %d\n", same, differ)
	if differ > 0 {
		os.Exit(1)
	}
}

// gather lists the known schemas, and of the served ones those alone.
func gather(want, is map[string]string, prefix string, known, served any) {
	has, _ := served.(tree)
	facts, _ := known.(tree)
	for name, schema := range facts {
		rows(want, prefix+name, schema.(tree))
		if schema, there := has[name].(tree); there {
			rows(is, prefix+name, schema)
		}
	}
}

// schemasOf is what OpenTofu prints, by the provider's short name.
func schemasOf() map[string]tree {
	folder, err := os.MkdirTemp("", "compare-")
	must(err)
	defer os.RemoveAll(folder)
	must(os.WriteFile(filepath.Join(folder, "main.tf"), []byte(config), 0o600))
	tofu(folder, "init", "-no-color")
	var printed struct {
		Schemas map[string]tree `json:"provider_schemas"`
	}
	must(json.Unmarshal(tofu(folder, "providers", "schema", "-json"), &printed))
	found := map[string]tree{}
	for source, schema := range printed.Schemas {
		found[filepath.Base(source)] = schema
	}
	return found
}

func tofu(folder string, arguments ...string) []byte {
	var complaint bytes.Buffer
	command := exec.Command("tofu", arguments...)
	command.Dir, command.Stderr = folder, &complaint
	text, err := command.Output()
	if err != nil {
		log.Fatalf("tofu %s: %s\n%s", strings.Join(arguments, " "), err, complaint.String())
	}
	return text
}

// rows lists a schema: one row per attribute and block, with all that is said of it but texts.
func rows(into map[string]string, at string, schema tree) {
	if version, given := schema["version"]; given {
		into[at] = fmt.Sprint("version ", version)
	}
	block, _ := schema["block"].(tree)
	if block == nil {
		block = schema
	}
	attributes, _ := block["attributes"].(tree)
	for name, fact := range attributes {
		into[at+"."+name] = facts(fact.(tree))
		if nested, given := fact.(tree)["nested_type"].(tree); given {
			rows(into, at+"."+name, nested)
		}
	}
	blocks, _ := block["block_types"].(tree)
	for name, fact := range blocks {
		into[at+"."+name] = "block, " + facts(fact.(tree))
		rows(into, at+"."+name, fact.(tree))
	}
}

func facts(of tree) string {
	said := []string{}
	for _, key := range []string{"type", "required", "optional", "computed", "sensitive", "deprecated", "nesting_mode", "min_items", "max_items"} {
		if value, given := of[key]; given {
			said = append(said, fmt.Sprintf("%s %v", key, value))
		}
	}
	if nested, given := of["nested_type"].(tree); given {
		said = append(said, fmt.Sprintf("nested %v", nested["nesting_mode"]))
	}
	return strings.Join(said, ", ")
}

func union(a, b map[string]string) map[string]string {
	both := maps.Clone(a)
	maps.Copy(both, b)
	return both
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
