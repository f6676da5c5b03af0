// Command chaos-dest is the misbehaving dest of the engine's tests.
package main

import (
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/engine/testdata/chaos"
)

var _ = sdk.Serve(sdk.DestinationGuest(chaos.NewDestination))

func main() {}
