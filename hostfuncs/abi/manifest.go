package abi

// Manifest describes a connector to people and to the host. It lies beside the
// module as <name>.json, so that the host can list connectors, refuse one in
// the wrong place of a pipeline and check its configuration before any guest
// starts. It is the one place of a connector's defaults.
type Manifest struct {
	Name        string `json:"name"` // as in the pipeline's use key, the folder and the .wasm file
	Role        Role   `json:"role"`
	Version     string `json:"version"`
	ABI         int    `json:"abi"`
	Description string `json:"description"`
	// Broker names the broker this connector may open connections through,
	// "postgres" or "tcp"; empty for none. The broker's own keys (host, user,
	// password ...) are then allowed in the connector's config and taken out of
	// it before the guest sees it.
	Broker string          `json:"broker"`
	Config []ManifestField `json:"config"`
	// Parallel says that several instances may each move a partition of a stream
	// at the same time: a source and a destination then answer partition, and a
	// transform does the same to a row whatever other rows it sees.
	Parallel bool `json:"parallel"`
}

// ManifestField is one key of a connector's configuration.
type ManifestField struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"` // "string", "int", "bool", "list" (of strings)
	Required bool     `json:"required,omitempty"`
	Default  any      `json:"default,omitempty"`
	Enum     []string `json:"enum,omitempty"` // the values a string may have; empty: any
	Doc      string   `json:"doc"`
}
