package page

// Table is rows under a heading. A click on a column's title sorts by it; the first order is the given one.
type Table struct {
	Title   string // "" for none
	Note    string // below the table
	Columns []Column
	Rows    [][]Cell // a row may be shorter than the heading
	// Folded tables are closed until a reader opens them; then they need a title.
	Folded bool
}

// Column is the heading of a column.
type Column struct {
	Title string
	Note  string // explains the title
	// Number columns are aligned to the right and sorted by the cells' Value.
	Number bool
}

// Cell is one cell of a table. The zero value is an empty one.
type Cell struct {
	Text string
	// Value is what a Number column sorts by. NaN comes last.
	Value float64
	Tone  Tone
	Note  string // says more, in a smaller type below the text
	Link  string // ID of a section or block of this page; "" for none
	// Range draws an interval behind the text; all ranges of a column share their scale,
	// which is one of square roots. Nil draws none.
	Range *Range
}

// Range is a relative change with its interval, drawn around zero.
type Range struct {
	Lo, Centre, Hi float64 // may be infinite
	Band           float64 // changes up to this size, in both directions, do not matter; 0 draws none
}

// Text returns a cell that holds only text.
func Text(s string) Cell { return Cell{Text: s} }
