// Command chaos-transform is the misbehaving transform of the tests.
package main

import (
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
	"github.com/rapidbyte-go/rapidbyte/engine/testdata/chaos"
)

var _ = sdk.Serve(sdk.TransformGuest(chaos.NewFuse))

func main() {}
