package sdk

import (
	"unsafe"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// The functions of the host. Every slice and string crosses as an address and a
// length.

//go:wasmimport rapidbyte emit_batch
//go:noescape
func emitBatch(batch unsafe.Pointer, batchLen int32, rows int32) int32

//go:wasmimport rapidbyte next_batch
//go:noescape
func nextBatch(buf unsafe.Pointer, bufLen int32) int32

//go:wasmimport rapidbyte conn_open
//go:noescape
func connOpen(broker unsafe.Pointer, brokerLen int32, target unsafe.Pointer, targetLen int32) int32

//go:wasmimport rapidbyte conn_read
//go:noescape
func connRead(handle int32, buf unsafe.Pointer, bufLen int32) int32

//go:wasmimport rapidbyte conn_write
//go:noescape
func connWrite(handle int32, data unsafe.Pointer, dataLen int32) int32

//go:wasmimport rapidbyte conn_ready
func connReady(handle int32) int32

//go:wasmimport rapidbyte conn_close
func connClose(handle int32) int32

//go:wasmimport rapidbyte config
//go:noescape
func config(kind int32, buf unsafe.Pointer, bufLen int32) int32

//go:wasmimport rapidbyte reply
//go:noescape
func reply(kind int32, message unsafe.Pointer, messageLen int32) int32

//go:wasmimport rapidbyte log
//go:noescape
func logLine(level int32, line unsafe.Pointer, lineLen int32) int32

//go:wasmimport rapidbyte phase
func phase(p int32) int32

//go:wasmimport rapidbyte metric
//go:noescape
func metric(name unsafe.Pointer, nameLen int32, delta int64) int32

//go:wasmimport rapidbyte checkpoint
//go:noescape
func checkpoint(message unsafe.Pointer, messageLen int32) int32

//go:wasmimport rapidbyte state_get
//go:noescape
func stateGet(key unsafe.Pointer, keyLen int32, buf unsafe.Pointer, bufLen int32) int32

//go:wasmimport rapidbyte state_put
//go:noescape
func statePut(key unsafe.Pointer, keyLen int32, value unsafe.Pointer, valueLen int32) int32

//go:wasmimport rapidbyte state_cas
//go:noescape
func stateCAS(key unsafe.Pointer, keyLen int32, old unsafe.Pointer, oldLen int32, value unsafe.Pointer, valueLen int32) int32

//go:wasmimport rapidbyte last_error
//go:noescape
func lastError(buf unsafe.Pointer, bufLen int32) int32

//go:wasmimport rapidbyte yield
func yield() int32

// wasmHost is the host as a wasm module sees it.
type wasmHost struct{}

var _ abi.Host = wasmHost{}

func (wasmHost) EmitBatch(batch []byte, rows int32) abi.Status {
	return abi.Status(emitBatch(address(batch), int32(len(batch)), rows))
}

func (wasmHost) NextBatch(buf []byte) int32 {
	return nextBatch(address(buf), int32(len(buf)))
}

func (wasmHost) ConnOpen(broker, target string) int32 {
	return connOpen(text(broker), int32(len(broker)), text(target), int32(len(target)))
}

func (wasmHost) ConnRead(handle int32, buf []byte) int32 {
	return connRead(handle, address(buf), int32(len(buf)))
}

func (wasmHost) ConnWrite(handle int32, data []byte) int32 {
	return connWrite(handle, address(data), int32(len(data)))
}

func (wasmHost) ConnReady(handle int32) int32 { return connReady(handle) }

func (wasmHost) ConnClose(handle int32) abi.Status { return abi.Status(connClose(handle)) }

func (wasmHost) Config(kind abi.Request, buf []byte) int32 {
	return config(int32(kind), address(buf), int32(len(buf)))
}

func (wasmHost) Reply(kind abi.Reply, message []byte) abi.Status {
	return abi.Status(reply(int32(kind), address(message), int32(len(message))))
}

func (wasmHost) Log(level abi.LogLevel, line string) abi.Status {
	return abi.Status(logLine(int32(level), text(line), int32(len(line))))
}

func (wasmHost) Phase(p abi.Phase) abi.Status { return abi.Status(phase(int32(p))) }

func (wasmHost) Metric(name string, delta int64) abi.Status {
	return abi.Status(metric(text(name), int32(len(name)), delta))
}

func (wasmHost) Checkpoint(message []byte) abi.Status {
	return abi.Status(checkpoint(address(message), int32(len(message))))
}

func (wasmHost) StateGet(key string, buf []byte) int32 {
	return stateGet(text(key), int32(len(key)), address(buf), int32(len(buf)))
}

func (wasmHost) StatePut(key string, value []byte) abi.Status {
	return abi.Status(statePut(text(key), int32(len(key)), address(value), int32(len(value))))
}

func (wasmHost) StateCAS(key string, old, value []byte) int32 {
	oldLen := int32(len(old))
	if old == nil {
		oldLen = -1 // there must be no value yet
	}
	return stateCAS(text(key), int32(len(key)), address(old), oldLen, address(value), int32(len(value)))
}

func (wasmHost) LastError(buf []byte) int32 {
	return lastError(address(buf), int32(len(buf)))
}

func (wasmHost) Yield() abi.Status { return abi.Status(yield()) }

func address(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }
func text(s string) unsafe.Pointer    { return unsafe.Pointer(unsafe.StringData(s)) }
