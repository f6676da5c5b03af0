package connectors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// checkFiles looks for the mistakes people make in a folder of connectors:
// nothing in it, a module without its manifest or the other way round, a
// manifest that is wrong. It reports all of them.
func checkFiles(files fs.FS) error {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return err
	}
	parts := map[string][]string{}
	for _, e := range entries {
		if ext := path.Ext(e.Name()); !e.IsDir() && (ext == ".wasm" || ext == ".json") {
			name := strings.TrimSuffix(e.Name(), ext)
			parts[name] = append(parts[name], ext)
		}
	}
	if len(parts) == 0 {
		return errors.New("it holds no connectors: expected NAME.wasm and NAME.json for each")
	}

	var problems []error
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		switch {
		case !slices.Contains(parts[name], ".wasm"):
			problems = append(problems, fmt.Errorf("%s.wasm is missing beside %s.json", name, name))
		case !slices.Contains(parts[name], ".json"):
			problems = append(problems, fmt.Errorf("%s.json, the manifest, is missing beside %s.wasm", name, name))
		default:
			problems = append(problems, checkManifest(files, name+".json", name))
		}
	}
	return errors.Join(problems...)
}

// checkManifest refuses a manifest that is not one of the named connector for
// this version of the contract.
func checkManifest(files fs.FS, file, name string) error {
	text, err := fs.ReadFile(files, file)
	if err != nil {
		return fmt.Errorf("manifest of %s: %w", name, err)
	}
	var m abi.Manifest
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return fmt.Errorf("manifest of %s is not valid: %w", name, err)
	}

	wrong := func(format string, args ...any) error {
		return fmt.Errorf("manifest of %s: %s", name, fmt.Sprintf(format, args...))
	}
	switch m.Role {
	case abi.RoleSource, abi.RoleTransform, abi.RoleDestination:
	default:
		return wrong("role %q is none of source, transform, destination", m.Role)
	}
	switch {
	case m.Name != name:
		return wrong("name is %q, which must be the connector's own", m.Name)
	case m.ABI != abi.Version:
		return wrong("abi is %d, this host speaks version %d", m.ABI, abi.Version)
	}
	for _, f := range m.Config {
		if err := checkField(f); err != nil {
			return wrong("config %q: %v", f.Name, err)
		}
	}
	return nil
}

// checkField checks that a key's default is a value the key may have.
func checkField(f abi.ManifestField) error {
	ok := f.Default == nil
	switch v := f.Default.(type) {
	case string:
		ok = f.Type == "string" && (f.Enum == nil || slices.Contains(f.Enum, v))
	case float64:
		ok = f.Type == "int" && v == float64(int64(v))
	case bool:
		ok = f.Type == "bool"
	case []any:
		ok = f.Type == "list"
	}
	switch {
	case f.Name == "":
		return errors.New("a key needs a name")
	case !slices.Contains([]string{"string", "int", "bool", "list"}, f.Type):
		return fmt.Errorf("type %q is none of string, int, bool, list", f.Type)
	case f.Required && f.Default != nil:
		return errors.New("a required key has no default")
	case !ok:
		return fmt.Errorf("default %v is not among the values of a %s", f.Default, f.Type)
	}
	return nil
}
