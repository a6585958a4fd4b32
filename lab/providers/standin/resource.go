package standin

import (
	"context"
	"maps"
	"slices"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// Kind does the work of one resource type.
type Kind interface {
	// Create saves what there is as soon as there is something: a later failure then leaves it in the state.
	Create(ctx context.Context, want Values, save func(Values)) (Values, diag.Diagnostics)
	// Read answers nil when the thing is gone.
	Read(ctx context.Context, have Values) (Values, diag.Diagnostics)
	Update(ctx context.Context, have, want Values) (Values, diag.Diagnostics)
	Delete(ctx context.Context, have Values) diag.Diagnostics
	Import(id string) (Values, diag.Diagnostics)
}

// Traits is what a plan must know of a resource type, beyond the schema.
type Traits struct {
	Replace  []string // a change of these makes a new one
	Keep     []string // computed once
	Defaults Values   // where the configuration says nothing
	Fixed    []string // the real one changes these in place, the stand-in does not
	NotDone  []string // real, but refused here
	Validate func(config Values) diag.Diagnostics
}

// work is a resource type under OpenTofu's protocol.
type work struct {
	name, title string
	facts       Schema
	traits      Traits
	done        bool
	kind        Kind
}

func (w *work) Metadata(_ context.Context, _ resource.MetadataRequest, resp *resource.MetadataResponse) {
	resp.TypeName = w.name
}

func (w *work) Schema(_ context.Context, _ resource.SchemaRequest, resp *resource.SchemaResponse) {
	resp.Schema = w.facts.resource(w.title)
}

func (w *work) Configure(_ context.Context, req resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	if kinds, ok := req.ProviderData.(map[string]Kind); ok {
		w.kind = kinds[w.name]
	}
}

func (w *work) ValidateConfig(_ context.Context, req resource.ValidateConfigRequest, resp *resource.ValidateConfigResponse) {
	config := object(req.Config.Raw)
	resp.Diagnostics = w.refusal(config)
	if w.traits.Validate != nil {
		resp.Diagnostics.Append(w.traits.Validate(config)...)
	}
}

// ModifyPlan applies the traits; the schema alone says nothing of defaults and replacement.
func (w *work) ModifyPlan(_ context.Context, req resource.ModifyPlanRequest, resp *resource.ModifyPlanResponse) {
	if req.Plan.Raw.IsNull() {
		return
	}
	plan, prior := fields(req.Plan.Raw), fields(req.State.Raw)
	w.fill(fields(req.Config.Raw), plan, prior)
	for name, value := range prior {
		if slices.Contains(w.traits.Keep, name) && open(plan[name], value) {
			plan[name] = value
		}
		if !plan[name].Equal(value) && slices.Contains(w.traits.Replace, name) {
			resp.RequiresReplace = append(resp.RequiresReplace, path.Root(name))
		}
	}
	resp.Plan.Raw = tftypes.NewValue(req.Plan.Raw.Type(), plan)
}

// fill adds to a plan what the configuration does not say. A default may be the only change there is: what is computed
// is then unknown again, as the framework has it for the changes that it sees.
func (w *work) fill(config, plan, prior map[string]tftypes.Value) {
	for name, value := range w.traits.Defaults {
		if config[name].IsNull() {
			plan[name] = typed(plan[name].Type(), value)
		}
	}
	if maps.EqualFunc(plan, prior, tftypes.Value.Equal) {
		return
	}
	for name, fact := range w.facts.Block.Attributes {
		if _, settled := w.traits.Defaults[name]; fact.Computed && !settled && config[name].IsNull() {
			plan[name] = tftypes.NewValue(plan[name].Type(), tftypes.UnknownValue)
		}
	}
}

// open says whether the plan leaves to the provider what it did not know before, and asks for nothing else.
func open(plan, prior tftypes.Value) bool {
	return !plan.IsFullyKnown() && !prior.IsNull() && (!plan.IsKnown() || Same(plain(plan), plain(prior)))
}

func (w *work) Create(ctx context.Context, req resource.CreateRequest, resp *resource.CreateResponse) {
	kind := req.Plan.Raw.Type()
	save := func(made Values) { resp.State.Raw = typed(kind, map[string]any(made)) }
	made, diags := w.kind.Create(ctx, object(req.Plan.Raw), save)
	resp.Diagnostics = diags
	if made != nil {
		save(made)
	}
}

func (w *work) Read(ctx context.Context, req resource.ReadRequest, resp *resource.ReadResponse) {
	have, diags := w.kind.Read(ctx, object(req.State.Raw))
	resp.Diagnostics = diags
	switch {
	case diags.HasError():
	case have == nil:
		resp.State.RemoveResource(ctx)
	default:
		resp.State.Raw = typed(req.State.Raw.Type(), map[string]any(have))
	}
}

func (w *work) Update(ctx context.Context, req resource.UpdateRequest, resp *resource.UpdateResponse) {
	have, want := object(req.State.Raw), object(req.Plan.Raw)
	// Not told by the plan, which `destroy` makes too.
	for _, name := range w.traits.Fixed {
		if !Same(have[name], want[name]) {
			resp.Diagnostics.AddAttributeError(path.Root(name), w.title+": "+w.name+"."+name+" cannot be changed",
				"The real provider changes it in place; the "+w.title+" does not.")
			return
		}
	}
	made, diags := w.kind.Update(ctx, have, want)
	resp.Diagnostics = diags
	if made != nil {
		resp.State.Raw = typed(req.Plan.Raw.Type(), map[string]any(made))
	}
}

func (w *work) Delete(ctx context.Context, req resource.DeleteRequest, resp *resource.DeleteResponse) {
	resp.Diagnostics = w.kind.Delete(ctx, object(req.State.Raw))
}

func (w *work) ImportState(_ context.Context, req resource.ImportStateRequest, resp *resource.ImportStateResponse) {
	found, diags := w.kind.Import(req.ID)
	resp.Diagnostics = diags
	if found != nil {
		resp.State.Raw = typed(resp.State.Raw.Type(), map[string]any(found))
	}
}

// Merge is have with what news says.
func Merge(have, news Values) Values {
	made := Values{}
	for _, from := range []Values{have, news} {
		for name, value := range from {
			made[name] = value
		}
	}
	return made
}

// Error is a lone diagnostic.
func Error(summary, detail string) diag.Diagnostics {
	return diag.Diagnostics{diag.NewErrorDiagnostic(summary, detail)}
}
