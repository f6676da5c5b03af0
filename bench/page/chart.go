package page

// Kind is what a chart draws.
type Kind uint8

// The kinds.
const (
	Points    Kind = iota // a mark at every X and Y, with a whisker from Lo to Hi where they are set
	Lines                 // the same, joined in the given order
	Intervals             // a row for every label: for each series a mark at Y with a whisker from Lo to Hi
	Waterfall             // a row for every point of the first series: Y is added to what was there before
)

// Chart is a drawing of numbers. Those that are not finite are left out.
type Chart struct {
	Title string
	Note  string // below the chart
	Kind  Kind
	// Series are told apart by colour and by shape, in their order, and named in a legend if there are several.
	Series []Series

	// XLabel and YLabel name the axes. Intervals and Waterfall have their Y from left to right.
	XLabel, YLabel string
	// XLog and YLog make an axis logarithmic. Numbers that are not positive are then left out.
	XLog, YLog bool
	// XFormat and YFormat write numbers on axes and in tooltips. Nil writes four significant digits. Where XFormat returns ""
	// the axis has no tick.
	XFormat, YFormat func(float64) string

	// YUnit is what round numbers on the Y axis are multiples of, such as 1<<20 where they are written in MiB. 0 is 1. A
	// logarithmic axis has no use for it.
	YUnit float64

	Bands []Band // ranges of Y that are shaded
	Marks []Mark // values of Y that are marked by a line
	// Breaks are places on the X axis of Points and Lines where something changed.
	Breaks []Break
}

// Series is points that belong together.
type Series struct {
	Name   string
	Points []Point
	Tone   Tone // replaces the colour the series has by its place, unless Neutral
	Hollow bool // marks are drawn as outlines
}

// Point is one number of a series.
type Point struct {
	X, Y   float64
	Lo, Hi float64 // of a whisker; none if both are zero
	Label  string  // of its row; in a tooltip for Points and Lines
	Note   string  // in the tooltip
	Tone   Tone    // replaces the series' colour, unless Neutral
	// Total makes a row of a Waterfall stand for the whole: Y is the sum, not an addition.
	Total bool
}

// Band is a range of Y.
type Band struct {
	Lo, Hi float64
	Label  string
	Tone   Tone
}

// Mark is a value of Y.
type Mark struct {
	Y     float64
	Label string
	Tone  Tone
}

// Break is a place on the X axis.
type Break struct {
	X     float64
	Label string
}
