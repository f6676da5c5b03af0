//go:build !wasip1

package sdk

import "time"

// processStart is where the clock of Nanos begins.
var processStart = time.Now()

func monotonic() int64 { return int64(time.Since(processStart)) }
