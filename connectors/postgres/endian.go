//go:build armbe || arm64be || mips || mips64 || ppc64 || s390x || sparc64

package postgres

// The kernels load and store whole words where they find and want little-endian
// bytes, so on a big-endian machine they would be wrong without an error. This
// undefined name stops the build instead.
const _ = the_kernels_need_a_little_endian_machine
