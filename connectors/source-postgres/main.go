// Command source-postgres is the connector that reads tables of a PostgreSQL
// database.
package main

import (
	"github.com/rapidbyte-go/rapidbyte/connectors/postgres"
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
)

var _ = sdk.Serve(sdk.SourceGuest(postgres.NewSource))

func main() {}
