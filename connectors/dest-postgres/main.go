// Command dest-postgres is the connector that writes tables of a PostgreSQL
// database.
package main

import (
	"github.com/rapidbyte-go/rapidbyte/connectors/postgres"
	"github.com/rapidbyte-go/rapidbyte/connectors/sdk"
)

var _ = sdk.Serve(sdk.DestinationGuest(postgres.NewDestination))

func main() {}
