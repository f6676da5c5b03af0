// Command chaos-source is the misbehaving source of the engine's tests.
package main

import (
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/engine/testdata/chaos"
)

var _ = sdk.Serve(sdk.SourceGuest(chaos.NewSource))

func main() {}
