// Command transform-identity is the connector that passes every batch on
// unchanged, after it has checked it.
package main

import (
	"github.com/rapidbyte-go/rapidbyte/connectors/identity"
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
)

var _ = sdk.Serve(sdk.TransformGuest(identity.New))

func main() {}
