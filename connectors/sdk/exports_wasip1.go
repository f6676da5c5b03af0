package sdk

import "github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"

// instance is the one guest of this module, made by the first call.
var instance abi.Guest

func current() abi.Guest {
	if instance == nil {
		if served == nil {
			panic("sdk: no connector: the main package must call sdk.Serve in a package-level variable")
		}
		instance = served(wasmHost{})
	}
	return instance
}

//go:wasmexport rb_abi_version
func exportVersion() int32 { return current().ABIVersion() }

//go:wasmexport rb_open
func exportOpen() int32 { return int32(current().Open()) }

//go:wasmexport rb_check
func exportCheck() int32 { return int32(current().Check()) }

//go:wasmexport rb_discover
func exportDiscover() int32 { return int32(current().Discover()) }

//go:wasmexport rb_partition
func exportPartition() int32 { return int32(current().Partition()) }

//go:wasmexport rb_run
func exportRun() int32 { return int32(current().Run()) }

//go:wasmexport rb_finish
func exportFinish() int32 { return int32(current().Finish()) }

//go:wasmexport rb_close
func exportClose() int32 { return int32(current().Close()) }
