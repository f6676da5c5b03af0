package hostfuncs

import (
	"github.com/tetratelabs/wazero/api"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

// memory is the one door to a guest's linear memory: every pointer a guest
// passes goes through it. Views are valid during the host call only.
type memory struct{ api.Memory }

// view returns the bytes at ptr, not copied; ok is false if they do not all lie
// in the guest's memory. A length of zero is an empty view anywhere.
func (m memory) view(ptr, n uint64) (b []byte, ok bool) {
	if uint32(n) == 0 {
		return nil, true
	}
	return m.Read(uint32(ptr), uint32(n))
}

// text returns the bytes at ptr as a string of its own. No text of the contract
// is longer than a state key; of one that is, a byte more tells.
func (m memory) text(ptr, n uint64) (s string, ok bool) {
	b, ok := m.view(ptr, n)
	return string(b[:min(len(b), abi.MaxKey+1)]), ok
}
