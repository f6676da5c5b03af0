package pgtest_test

import (
	"fmt"

	"github.com/rapidbyte-go/rapidbyte/engine/pgtest"
)

func ExampleSourceConfig() {
	config := pgtest.SourceConfig("postgres://reader:secret@db.example:5433/shop?sslmode=disable")
	for _, key := range []string{"host", "port", "user", "database", "sslmode"} {
		fmt.Println(key, config[key])
	}
	// Output:
	// host db.example
	// port 5433
	// user reader
	// database shop
	// sslmode disable
}
