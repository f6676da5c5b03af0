package hostfuncs

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// maxLogLines bounds what one guest may write to the host's log: enough for a
// line per checkpoint of a long run, too little to fill a disk.
const maxLogLines = 10_000

// Config implements [abi.Host].
func (i *Instance) Config(kind abi.Request, buf []byte) int32 {
	leave, status := i.enter()
	defer i.Clock.Switch(leave)

	if status != abi.OK {
		return int32(status)
	}
	var message []byte
	switch kind {
	case abi.RequestOpen:
		message = i.opt.Open
	case i.asked:
		message = i.request
	}
	if message == nil {
		return int32(i.refuse(abi.InvalidArgument, "config: no such request now"))
	}
	return fill(buf, message)
}

// Reply implements [abi.Host].
func (i *Instance) Reply(kind abi.Reply, message []byte) abi.Status {
	leave, _ := i.enter() // an error may be described after a cancellation too
	defer i.Clock.Switch(leave)

	if kind < abi.ReplyError || kind > abi.ReplyPartitions {
		return i.refuse(abi.InvalidArgument, "reply: unknown kind")
	}
	if len(message) > abi.MaxControl {
		return i.refuse(abi.TooLarge, "reply: message too long")
	}
	if kind == abi.ReplyError && i.toldAt.IsZero() {
		i.erred, i.errPhase = true, i.Clock.phase
	}
	i.replies[kind] = append([]byte(nil), message...)
	return abi.OK
}

// Log implements [abi.Host]. The text is untrusted: it is cut, put on one line
// and rid of control characters.
func (i *Instance) Log(level abi.LogLevel, line string) abi.Status {
	leave, _ := i.enter()
	defer i.Clock.Switch(leave)

	if level < abi.LogError || level > abi.LogDebug {
		return i.refuse(abi.InvalidArgument, "log: unknown level")
	}
	if i.opt.Log == nil {
		return abi.OK
	}
	if i.logLines == maxLogLines {
		i.Counters.LogDropped++
		return abi.OK
	}
	i.logLines++
	i.opt.Log(level, Printable(line, abi.MaxLogLine))
	return abi.OK
}

// Printable returns text from a guest fit for a log or an error message: at
// most limit bytes, on one line, without control characters.
func Printable(s string, limit int) string {
	cut := len(s) > limit
	if cut {
		for limit > 0 && !utf8.RuneStart(s[limit]) {
			limit--
		}
		s = s[:limit]
	}
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
	if cut {
		s += "..."
	}
	return s
}

// Phase implements [abi.Host].
func (i *Instance) Phase(phase abi.Phase) abi.Status {
	leave, _ := i.enter()
	defer i.Clock.Switch(leave)

	if phase < 0 || phase >= abi.NumPhases {
		return i.refuse(abi.InvalidArgument, "phase: unknown phase")
	}
	i.Clock.SetPhase(phase)
	return abi.OK
}

// Metric implements [abi.Host].
func (i *Instance) Metric(name string, delta int64) abi.Status {
	leave, _ := i.enter()
	defer i.Clock.Switch(leave)

	if !isMetricName(name) {
		return i.refuse(abi.InvalidArgument, "metric: a name is lower case letters, digits and underscores")
	}
	if _, known := i.Metrics[name]; !known {
		if len(i.Metrics) == abi.MaxMetrics {
			return i.refuse(abi.TooLarge, "metric: too many different names")
		}
		i.names[name] = name
	}
	i.Metrics[name] += delta
	return abi.OK
}

// metricName returns a name in the guest's memory as a text of its own: the one it
// had before, if any, for a guest counts the same few things with every batch.
func (i *Instance) metricName(b []byte) string {
	if name, known := i.names[string(b)]; known {
		return name
	}
	return string(b[:min(len(b), abi.MaxNameBytes+1)]) // of one that is too long, a byte more tells
}

func isMetricName(s string) bool {
	if s == "" || len(s) > abi.MaxNameBytes || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// Checkpoint implements [abi.Host].
func (i *Instance) Checkpoint(message []byte) abi.Status {
	leave, status := i.enter()
	defer i.Clock.Switch(leave)

	if status != abi.OK {
		return status
	}
	var c abi.Checkpoint
	if len(message) > abi.MaxControl || json.Unmarshal(message, &c) != nil {
		return i.refuse(abi.InvalidArgument, "checkpoint: not a checkpoint message")
	}
	if i.opt.Checkpoint != nil {
		i.opt.Checkpoint(c)
	}
	return abi.OK
}

// StateGet implements [abi.Host].
func (i *Instance) StateGet(key string, buf []byte) int32 {
	leave, status := i.enterState(key, 0)
	defer i.Clock.Switch(leave)

	if status != abi.OK {
		return int32(status)
	}
	value, ok, err := i.opt.State.Get(i.ctx, i.opt.StatePrefix+key)
	if err != nil {
		return int32(i.fail(&abi.Error{Category: abi.CategoryInternal, Message: "state_get: " + err.Error()}))
	}
	if !ok {
		return int32(abi.NotFound)
	}
	return fill(buf, value)
}

// StatePut implements [abi.Host].
func (i *Instance) StatePut(key string, value []byte) abi.Status {
	leave, status := i.enterState(key, len(value))
	defer i.Clock.Switch(leave)

	if status != abi.OK {
		return status
	}
	if err := i.opt.State.Put(i.ctx, i.opt.StatePrefix+key, value); err != nil {
		return i.fail(&abi.Error{Category: abi.CategoryInternal, Message: "state_put: " + err.Error()})
	}
	return abi.OK
}

// StateCAS implements [abi.Host].
func (i *Instance) StateCAS(key string, old, value []byte) int32 {
	leave, status := i.enterState(key, max(len(old), len(value)))
	defer i.Clock.Switch(leave)

	if status != abi.OK {
		return int32(status)
	}
	ok, err := i.opt.State.CAS(i.ctx, i.opt.StatePrefix+key, old, value)
	if err != nil {
		return int32(i.fail(&abi.Error{Category: abi.CategoryInternal, Message: "state_cas: " + err.Error()}))
	}
	if ok {
		return 1
	}
	return 0
}

func (i *Instance) enterState(key string, size int) (leave Activity, status abi.Status) {
	leave, status = i.enter()
	switch {
	case status != abi.OK:
	case i.opt.State == nil:
		status = i.refuse(abi.Unsupported, "state: this run has no state store")
	case key == "" || len(key) > abi.MaxKey:
		status = i.refuse(abi.InvalidArgument, "state: a key has 1 to 1024 bytes")
	case size > abi.MaxValue:
		status = i.refuse(abi.TooLarge, "state: value too long")
	}
	return leave, status
}

// LastError implements [abi.Host].
func (i *Instance) LastError(buf []byte) int32 {
	leave, _ := i.enter()
	defer i.Clock.Switch(leave)

	if i.lastErr == nil {
		return 0
	}
	message, err := json.Marshal(i.lastErr)
	if err != nil {
		return int32(abi.Failed)
	}
	n := fill(buf, message)
	if n >= 0 {
		i.lastErr = nil
	}
	return n
}

// Yield implements [abi.Host].
func (i *Instance) Yield() abi.Status {
	leave, status := i.enter()
	i.Clock.Switch(leave)
	return status
}

// fill copies message into buf, or asks for more room.
func fill(buf, message []byte) int32 {
	if len(message) > len(buf) {
		return abi.Need(len(message))
	}
	return int32(copy(buf, message))
}
