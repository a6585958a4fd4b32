package standin

import (
	"encoding/json"
	"math/big"
	"slices"

	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// Values is an object in plain Go: string, bool, int64, map[string]any, []any. Null and unknown are both nil.
type Values map[string]any

func (v Values) Text(name string) string { text, _ := v[name].(string); return text }
func (v Values) Flag(name string) bool   { flag, _ := v[name].(bool); return flag }
func (v Values) Items(name string) []any { items, _ := v[name].([]any); return items }

func (v Values) Object(name string) Values { object, _ := v[name].(map[string]any); return object }

// Objects are the blocks called name.
func (v Values) Objects(name string) []Values {
	var objects []Values
	for _, item := range v.Items(name) {
		objects = append(objects, item.(map[string]any))
	}
	return objects
}

// Texts is a map of texts; what is null is left out.
func (v Values) Texts(name string) map[string]string {
	texts := map[string]string{}
	for key, value := range v.Object(name) {
		if text, ok := value.(string); ok {
			texts[key] = text
		}
	}
	return texts
}

// Map turns a typed map into the plain form.
func Map[T any](typed map[string]T) map[string]any {
	plain := map[string]any{}
	for key, value := range typed {
		plain[key] = value
	}
	return plain
}

// Same says whether two values differ at most in the order of their lists' items, as sets do.
func Same(a, b any) bool { return canonical(a) == canonical(b) }

func canonical(value any) string {
	switch typed := value.(type) {
	case []any:
		items := make([]string, len(typed))
		for i, item := range typed {
			items[i] = canonical(item)
		}
		slices.Sort(items)
		value = items
	case map[string]any:
		items := map[string]string{}
		for key, item := range typed {
			items[key] = canonical(item)
		}
		value = items
	}
	text, err := json.Marshal(value)
	must(err)
	return string(text)
}

// must is for what only a mistake in this program can cause: values come typed by the schema.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func object(value tftypes.Value) Values {
	if fields, ok := plain(value).(map[string]any); ok {
		return fields
	}
	return nil
}

func fields(value tftypes.Value) map[string]tftypes.Value {
	made := map[string]tftypes.Value{}
	if !value.IsNull() {
		must(value.As(&made))
	}
	return made
}

func plain(value tftypes.Value) any {
	if value.IsNull() || !value.IsKnown() {
		return nil
	}
	switch kind := value.Type(); {
	case kind.Is(tftypes.String):
		var text string
		must(value.As(&text))
		return text
	case kind.Is(tftypes.Bool):
		var flag bool
		must(value.As(&flag))
		return flag
	case kind.Is(tftypes.Number):
		var number big.Float
		must(value.As(&number))
		whole, _ := number.Int64()
		return whole
	case kind.Is(tftypes.Object{}), kind.Is(tftypes.Map{}):
		made := map[string]any{}
		for name, item := range fields(value) {
			made[name] = plain(item)
		}
		return made
	}
	var items []tftypes.Value
	must(value.As(&items))
	made := make([]any, len(items))
	for i, item := range items {
		made[i] = plain(item)
	}
	return made
}

// typed is the way back: what an object lacks becomes null.
func typed(kind tftypes.Type, value any) tftypes.Value {
	if value == nil {
		return tftypes.NewValue(kind, nil)
	}
	made := map[string]tftypes.Value{}
	switch kind := kind.(type) {
	case tftypes.Object:
		for name, of := range kind.AttributeTypes {
			made[name] = typed(of, value.(map[string]any)[name])
		}
		return tftypes.NewValue(kind, made)
	case tftypes.Map:
		for name, item := range value.(map[string]any) {
			made[name] = typed(kind.ElementType, item)
		}
		return tftypes.NewValue(kind, made)
	case tftypes.List:
		return tftypes.NewValue(kind, items(kind.ElementType, value))
	case tftypes.Set:
		return tftypes.NewValue(kind, items(kind.ElementType, value))
	}
	return tftypes.NewValue(kind, value)
}

func items(kind tftypes.Type, value any) []tftypes.Value {
	made := []tftypes.Value{}
	for _, item := range value.([]any) {
		made = append(made, typed(kind, item))
	}
	return made
}
