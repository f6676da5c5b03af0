//go:build plant && !wasip1

package plant

import "time"

var start = time.Now()

func nanos() int64 { return int64(time.Since(start)) }
