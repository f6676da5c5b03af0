package broker_test

import (
	"context"
	"fmt"
	"log"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/broker"
)

func Example() {
	// What the pipeline says.
	b, err := broker.New(broker.TCP, map[string]any{"allow": []any{"db.example.com:5432"}})
	if err != nil {
		log.Fatal(err)
	}

	// What a guest asks for.
	_, err = b.Open(context.Background(), "db.example.com:22")
	fmt.Println(err)

	// Output:
	// the pipeline does not allow a connection to "db.example.com:22"; if it should, add "db.example.com:22" to the config key allow
}
