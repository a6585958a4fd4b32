package standin

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/diag"
)

// Source does the work of one data source type: it answers the configuration with what was found added.
type Source func(ctx context.Context, config Values) (Values, diag.Diagnostics)

// lookup is a data source type under OpenTofu's protocol.
type lookup struct {
	name, title string
	facts       Schema
	source      Source
}

func (l *lookup) Metadata(_ context.Context, _ datasource.MetadataRequest, resp *datasource.MetadataResponse) {
	resp.TypeName = l.name
}

func (l *lookup) Schema(_ context.Context, _ datasource.SchemaRequest, resp *datasource.SchemaResponse) {
	resp.Schema = schema.Schema{Description: l.title, Attributes: map[string]schema.Attribute{}}
	for name, attribute := range attributes(l.facts.Block.Attributes) {
		resp.Schema.Attributes[name] = attribute
	}
}

func (l *lookup) Configure(_ context.Context, req datasource.ConfigureRequest, _ *datasource.ConfigureResponse) {
	if sources, ok := req.ProviderData.(map[string]Source); ok {
		l.source = sources[l.name]
	}
}

func (l *lookup) Read(ctx context.Context, req datasource.ReadRequest, resp *datasource.ReadResponse) {
	found, diags := l.source(ctx, object(req.Config.Raw))
	resp.Diagnostics = diags
	if !diags.HasError() {
		resp.State.Raw = typed(req.Config.Raw.Type(), map[string]any(found))
	}
}
