// Package plant slows a run down on purpose, in one place and by a known amount, or spoils what a benchmark leaves behind.
// The suite's self-test uses it to show that a comparison finds what it says it finds.
//
// All of it exists only under the build tag plant. Without the tag [On] is false, and since every use stands behind
// "if plant.On", no program and no guest contains any of it; a test looks for it in both.
//
// What to do comes from the environment variable [Variable], one of
//
//	source-guest=180ns/row    so much more in that place for each row
//	codec=20000ns/batch       or for each batch
//	row-dropped               one of the ways to spoil a run
package plant

// Variable is the environment variable that says what to plant, for the host and for guests. Empty plants nothing.
const Variable = "RAPIDBYTE_PLANT"

// The places that can be slowed down. Each burns CPU where a clock counts it as that place's own time.
const (
	SourceGuest = "source-guest" // the source connector, turning a batch into Arrow
	HostCopy    = "host-copy"    // emit_batch, moving a batch out of the guest
	Codec       = "codec"        // emit_batch, compressing it
	DestFlush   = "dest-flush"   // the destination waiting for its server, which has nothing left to do
)

// Places returns the places in the order of the data.
func Places() []string { return []string{SourceGuest, HostCopy, Codec, DestFlush} }

// What can happen to one row of the destination after a run that says it went well.
const (
	RowCorrupted  = "row-corrupted"  // one value is another
	RowDropped    = "row-dropped"    // a row is missing
	RowDuplicated = "row-duplicated" // a row is there twice
	RowNulled     = "row-nulled"     // a value is NULL
)

// Rows returns the ways to spoil a row.
func Rows() []string { return []string{RowCorrupted, RowDropped, RowDuplicated, RowNulled} }

// What can happen to the output of a benchmark that ends as if it had gone well.
const (
	OutputTorn  = "output-torn"  // the line of the result stops in the middle
	OutputEmpty = "output-empty" // there is no result
	SamplesTorn = "samples-torn" // the file of samples stops in the middle of a line
)

// Outputs returns the ways to spoil the output.
func Outputs() []string { return []string{OutputTorn, OutputEmpty, SamplesTorn} }
