package page

// Page is a document. Its zero value is an empty one.
type Page struct {
	Title    string
	Subtitle string // one line below the title
	// Facts are shown at the top, in a row: what a reader wants to know before anything else.
	Facts []Fact
	// Warnings are shown below them: what a reader must know to judge the rest.
	Warnings []string
	Sections []Section
}

// Fact is a short value with a name, such as "regressed" 2.
type Fact struct {
	Name, Value string
	Tone        Tone
}

// Section is a part of a page with a heading.
type Section struct {
	ID    string // of the heading, for links; derived from the title if empty
	Title string
	Note  string // a sentence or two below the heading
	// Folded sections are closed until a reader opens them. On paper they are open.
	Folded bool
	Blocks []Block
}

// Block is what a section consists of: [Table], [Chart], [Figure], [Preformatted] or a [Group] of them.
type Block interface {
	// render adds the block to the page.
	render(w *writer) error
}

// Group is blocks under a heading of their own.
type Group struct {
	ID     string // as of a Section
	Title  string
	Note   string
	Tone   Tone // of a mark in front of the title; Neutral has none
	Folded bool // as of a Section
	Blocks []Block
}

// Tone is how something is to be taken. The zero value is neutral.
type Tone uint8

// The tones.
const (
	Neutral Tone = iota
	Good
	Bad
	Unsure
	Muted
)

// String returns the tone in lower case, which is also its class in the page.
func (t Tone) String() string {
	switch t {
	case Good:
		return "good"
	case Bad:
		return "bad"
	case Unsure:
		return "unsure"
	case Muted:
		return "muted"
	}
	return "neutral"
}

// Preformatted is text that is shown as it stands, such as a command or a terminal's output.
type Preformatted struct {
	Title string // "" for none
	Text  string
	// Folded text is closed until a reader opens it; then it needs a title.
	Folded bool
}

// Figure is a drawing made elsewhere, such as a flame graph.
type Figure struct {
	Title string
	Note  string
	// SVG is one well-formed SVG document. One without a script becomes part of the page. One with a script is embedded
	// as a document of its own, so that its script sees what it was written for and nothing else. It must not refer to
	// anything outside itself.
	SVG []byte
}
