// Package standin makes a provider of the facts about a real one: the schema comes from those facts, what a resource
// does from a Kind. It is a lab stand-in, not the real provider.
package standin

import (
	"encoding/json"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	provider "github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-framework/types/basetypes"
)

// Facts is a provider's schema as `tofu providers schema -json` prints it.
type Facts struct {
	Provider    Schema            `json:"provider_config"`
	Resources   map[string]Schema `json:"resources"`
	DataSources map[string]Schema `json:"data_sources"`
}

type Schema struct {
	Version int64 `json:"version"`
	Block   Block `json:"block"`
}

type Block struct {
	Attributes map[string]Attribute `json:"attributes"`
	Blocks     map[string]Nested    `json:"block_types"`
}

type Nested struct {
	Block   Block  `json:"block"`
	Nesting string `json:"nesting_mode"`
}

type Attribute struct {
	Type       json.RawMessage `json:"type"`
	NestedType *struct {
		Attributes map[string]Attribute `json:"attributes"`
		Nesting    string               `json:"nesting_mode"`
	} `json:"nested_type"`
	Required   bool `json:"required"`
	Optional   bool `json:"optional"`
	Computed   bool `json:"computed"`
	Sensitive  bool `json:"sensitive"`
	Deprecated bool `json:"deprecated"`
}

// MustFacts reads the embedded facts, which are part of the program.
func MustFacts(text []byte) (facts Facts) {
	if err := json.Unmarshal(text, &facts); err != nil {
		panic(err)
	}
	return facts
}

func (s Schema) resource(description string) schema.Schema {
	return schema.Schema{
		Version: s.Version, Description: description,
		Attributes: attributes(s.Block.Attributes), Blocks: blocks(s.Block.Blocks),
	}
}

func attributes(facts map[string]Attribute) map[string]schema.Attribute {
	made := map[string]schema.Attribute{}
	for name, fact := range facts {
		made[name] = fact.attribute()
	}
	return made
}

func blocks(facts map[string]Nested) map[string]schema.Block {
	made := map[string]schema.Block{}
	for name, fact := range facts {
		object := schema.NestedBlockObject{Attributes: attributes(fact.Block.Attributes), Blocks: blocks(fact.Block.Blocks)}
		switch fact.Nesting {
		case "set":
			made[name] = schema.SetNestedBlock{NestedObject: object}
		case "list":
			made[name] = schema.ListNestedBlock{NestedObject: object}
		case "single":
			made[name] = schema.SingleNestedBlock{Attributes: object.Attributes, Blocks: object.Blocks}
		default:
			panic("block nesting " + fact.Nesting)
		}
	}
	return made
}

func (a Attribute) attribute() schema.Attribute {
	deprecated := ""
	if a.Deprecated {
		deprecated = "Deprecated."
	}
	if a.NestedType != nil {
		return a.nested(deprecated)
	}
	switch kind := typeOf(a.Type).(type) {
	case basetypes.StringType:
		return schema.StringAttribute{Required: a.Required, Optional: a.Optional, Computed: a.Computed,
			Sensitive: a.Sensitive, DeprecationMessage: deprecated}
	case basetypes.NumberType:
		return schema.NumberAttribute{Required: a.Required, Optional: a.Optional, Computed: a.Computed,
			Sensitive: a.Sensitive, DeprecationMessage: deprecated}
	case basetypes.BoolType:
		return schema.BoolAttribute{Required: a.Required, Optional: a.Optional, Computed: a.Computed,
			Sensitive: a.Sensitive, DeprecationMessage: deprecated}
	case basetypes.MapType:
		return schema.MapAttribute{Required: a.Required, Optional: a.Optional, Computed: a.Computed,
			Sensitive: a.Sensitive, DeprecationMessage: deprecated, ElementType: kind.ElemType}
	case basetypes.SetType:
		return schema.SetAttribute{Required: a.Required, Optional: a.Optional, Computed: a.Computed,
			Sensitive: a.Sensitive, DeprecationMessage: deprecated, ElementType: kind.ElemType}
	case basetypes.ListType:
		return schema.ListAttribute{Required: a.Required, Optional: a.Optional, Computed: a.Computed,
			Sensitive: a.Sensitive, DeprecationMessage: deprecated, ElementType: kind.ElemType}
	}
	panic(fmt.Sprintf("attribute type %s", a.Type))
}

func (a Attribute) nested(deprecated string) schema.Attribute {
	object := schema.NestedAttributeObject{Attributes: attributes(a.NestedType.Attributes)}
	switch a.NestedType.Nesting {
	case "single":
		return schema.SingleNestedAttribute{Required: a.Required, Optional: a.Optional, Computed: a.Computed,
			Sensitive: a.Sensitive, DeprecationMessage: deprecated, Attributes: object.Attributes}
	case "map":
		return schema.MapNestedAttribute{Required: a.Required, Optional: a.Optional, Computed: a.Computed,
			Sensitive: a.Sensitive, DeprecationMessage: deprecated, NestedObject: object}
	case "list":
		return schema.ListNestedAttribute{Required: a.Required, Optional: a.Optional, Computed: a.Computed,
			Sensitive: a.Sensitive, DeprecationMessage: deprecated, NestedObject: object}
	}
	panic("attribute nesting " + a.NestedType.Nesting)
}

// typeOf reads a type as the facts write it: "string", ["map","string"], or ["object",{"name":"string"}].
func typeOf(text json.RawMessage) attr.Type {
	simple := map[string]attr.Type{"string": types.StringType, "number": types.NumberType, "bool": types.BoolType}
	var name string
	if json.Unmarshal(text, &name) == nil && simple[name] != nil {
		return simple[name]
	}
	var kind string
	var of json.RawMessage
	if err := json.Unmarshal(text, &[]any{&kind, &of}); err != nil {
		panic(fmt.Sprintf("attribute type %s: %s", text, err))
	}
	switch kind {
	case "map":
		return types.MapType{ElemType: typeOf(of)}
	case "set":
		return types.SetType{ElemType: typeOf(of)}
	case "list":
		return types.ListType{ElemType: typeOf(of)}
	case "object":
		return objectType(of)
	}
	panic("attribute type " + kind)
}

func objectType(text json.RawMessage) attr.Type {
	var facts map[string]json.RawMessage
	must(json.Unmarshal(text, &facts))
	made := map[string]attr.Type{}
	for name, fact := range facts {
		made[name] = typeOf(fact)
	}
	return types.ObjectType{AttrTypes: made}
}

// provider knows what the two providers' own configuration needs: texts, and lists of blocks of texts.
func (s Schema) provider(description string) provider.Schema {
	made := provider.Schema{Description: description, Attributes: texts(s.Block.Attributes), Blocks: map[string]provider.Block{}}
	for name, fact := range s.Block.Blocks {
		if fact.Nesting != "list" {
			panic("provider block nesting " + fact.Nesting)
		}
		made.Blocks[name] = provider.ListNestedBlock{
			NestedObject: provider.NestedBlockObject{Attributes: texts(fact.Block.Attributes)},
		}
	}
	return made
}

func texts(facts map[string]Attribute) map[string]provider.Attribute {
	made := map[string]provider.Attribute{}
	for name, fact := range facts {
		if typeOf(fact.Type) != types.StringType {
			panic(fmt.Sprintf("provider attribute type %s", fact.Type))
		}
		made[name] = provider.StringAttribute{Required: fact.Required, Optional: fact.Optional, Sensitive: fact.Sensitive}
	}
	return made
}
