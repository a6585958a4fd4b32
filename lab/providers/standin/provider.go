package standin

import (
	"context"
	"fmt"
	"log"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
)

// Provider is all that differs between the stand-ins.
type Provider struct {
	Name    string // of the real one: "lxd"
	Version string
	Facts   Facts
	Traits  map[string]Traits
	// Validate looks at the provider's own configuration before anything is planned.
	Validate func(config Values) diag.Diagnostics
	// Configure makes what works.
	Configure func(config Values) (Working, diag.Diagnostics)
}

// Working are resources and data sources by type.
type Working struct {
	Resources   map[string]Kind
	DataSources map[string]Source
}

// Serve talks with OpenTofu until that is done.
func Serve(p Provider) {
	made := func() provider.Provider { return &server{p} }
	// The address is one for debuggers alone; the programs are found by the mirror's folders.
	if err := providerserver.Serve(context.Background(), made, providerserver.ServeOpts{Address: "lab.test/stand-in/" + p.Name}); err != nil {
		log.Fatal(err)
	}
}

type server struct{ Provider }

func (s *server) title() string { return fmt.Sprintf("lab stand-in for %s %s", s.Name, s.Version) }

func (s *server) Metadata(_ context.Context, _ provider.MetadataRequest, resp *provider.MetadataResponse) {
	resp.TypeName, resp.Version = s.Name, s.Version
}

func (s *server) Schema(_ context.Context, _ provider.SchemaRequest, resp *provider.SchemaResponse) {
	resp.Schema = s.Facts.Provider.provider(s.title())
}

func (s *server) ValidateConfig(_ context.Context, req provider.ValidateConfigRequest, resp *provider.ValidateConfigResponse) {
	resp.Diagnostics = s.Validate(object(req.Config.Raw))
}

func (s *server) Configure(_ context.Context, req provider.ConfigureRequest, resp *provider.ConfigureResponse) {
	log.Printf("[INFO] %s", s.title())
	working, diags := s.Provider.Configure(object(req.Config.Raw))
	resp.ResourceData, resp.DataSourceData, resp.Diagnostics = working.Resources, working.DataSources, diags
}

// DataSources are no more than those in the facts, and each of them works.
func (s *server) DataSources(context.Context) []func() datasource.DataSource {
	var made []func() datasource.DataSource
	for name, facts := range s.Facts.DataSources {
		made = append(made, func() datasource.DataSource { return &lookup{name: name, title: s.title(), facts: facts} })
	}
	return made
}

func (s *server) Resources(context.Context) []func() resource.Resource {
	var made []func() resource.Resource
	for name, facts := range s.Facts.Resources {
		made = append(made, func() resource.Resource {
			traits, done := s.Traits[name]
			return &work{name: name, title: s.title(), facts: facts, traits: traits, done: done}
		})
	}
	return made
}

// refusal is for what is real but not done here.
func (w *work) refusal(config Values) diag.Diagnostics {
	var diags diag.Diagnostics
	if !w.done {
		diags.AddError(w.title+": no "+w.name, "The "+w.title+" knows the schema of "+w.name+" but does not do the work of it.")
		return diags
	}
	for name, value := range config {
		if slices.Contains(w.traits.NotDone, name) && value != nil && value != false && !Same(value, []any{}) {
			diags.AddError(w.title+": no "+w.name+"."+name, "The "+w.title+" knows "+name+" but does not do the work of it.")
		}
	}
	return diags
}
