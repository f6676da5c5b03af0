package connectors

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

func TestCheckManifest(t *testing.T) {
	field := func(f abi.ManifestField) func(*abi.Manifest) {
		return func(m *abi.Manifest) { m.Config = []abi.ManifestField{f} }
	}
	for _, tt := range []struct {
		spoil func(*abi.Manifest)
		want  string // empty: accepted
	}{
		{func(*abi.Manifest) {}, ""},
		{func(m *abi.Manifest) { m.Role = "sink" }, `role "sink" is none of source, transform, destination`},
		{func(m *abi.Manifest) { m.Name = "b" }, `name is "b", which must be the connector's own`},
		{func(m *abi.Manifest) { m.ABI = 3 }, "abi is 3, this host speaks version 2"},
		{field(abi.ManifestField{Type: "int"}), `config "": a key needs a name`},
		{field(abi.ManifestField{Name: "k", Type: "float"}), `config "k": type "float" is none of string, int, bool, list`},
		{field(abi.ManifestField{Name: "k", Type: "int", Default: 1}), ""},
		{field(abi.ManifestField{Name: "k", Type: "int", Default: 1.5}), `config "k": default 1.5 is not among the values of a int`},
		{field(abi.ManifestField{Name: "k", Type: "bool", Default: "yes"}), `config "k": default yes is not among the values of a bool`},
		{field(abi.ManifestField{Name: "k", Type: "list", Default: []string{"a"}}), ""},
		{field(abi.ManifestField{Name: "k", Type: "string", Default: "c", Enum: []string{"a", "b"}}), `config "k": default c is not among the values of a string`},
		{field(abi.ManifestField{Name: "k", Type: "string", Default: "b", Enum: []string{"a", "b"}}), ""},
		{field(abi.ManifestField{Name: "k", Type: "string", Default: "b", Required: true}), `config "k": a required key has no default`},
		{field(abi.ManifestField{Name: "k", Type: "string", Required: true}), ""},
	} {
		m := abi.Manifest{Name: "a", Role: abi.RoleSource, ABI: abi.Version}
		tt.spoil(&m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		err = checkManifest(fstest.MapFS{"a.json": {Data: text}}, "a.json", "a")
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case tt.want != "" && (err == nil || err.Error() != "manifest of a: "+tt.want):
			t.Errorf("%s: error %v, want %q", text, err, tt.want)
		}
	}

	err := checkManifest(fstest.MapFS{"a.json": {Data: []byte(`{"nmae":"a"}`)}}, "a.json", "a")
	if err == nil || !strings.Contains(err.Error(), `unknown field "nmae"`) {
		t.Errorf("misspelt key: %v", err)
	}
}
