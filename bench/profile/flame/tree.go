package flame

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// Frame is one level of a stack.
type Frame struct {
	Name string // shown in the frame; frames of one parent with equal names are one
	Full string // shown on hover; "" is Name
	Kind Kind
	Rank int // siblings with a lower one stand first; those with equal ones by weight
}

// Kind decides the colour of a frame.
type Kind uint8

// The kinds, as the legend has them. The zero value is a frame that groups others.
const (
	Group    Kind = iota
	Host          // our code on the host
	Guest         // a connector's code
	Library       // other modules and Go's standard library
	Runtime       // Go's scheduler and garbage collector
	Kernel        // the operating system
	Database      // the database server
)

// kindNames are the legend's words.
var kindNames = [...]string{"group", "host", "guest", "library", "Go runtime", "kernel", "Postgres"}

// Tree is a frame with all that was called from it. The zero value is an empty tree; its own name is the graph's root.
type Tree struct {
	Frame
	Value    float64 // with everything below
	Self     float64 // without
	Base     float64 // Value before the change; only in what [Diff] returns
	BaseSelf float64 // Self before the change
	Children []*Tree

	index map[string]*Tree
}

// Add adds weight to a stack, outermost frame first. Weights that are not above zero are left out: a difference of two
// profiles may have some, which nothing can be as wide as.
func (t *Tree) Add(weight float64, stack ...Frame) {
	if !(weight > 0) || math.IsInf(weight, 0) {
		return
	}
	t.Value += weight
	for _, f := range stack {
		t = t.child(f)
		t.Value += weight
	}
	t.Self += weight
}

func (t *Tree) child(f Frame) *Tree {
	if c := t.index[f.Name]; c != nil {
		return c
	}
	c := &Tree{Frame: f}
	if t.index == nil {
		t.index = map[string]*Tree{}
	}
	t.index[f.Name] = c
	t.Children = append(t.Children, c)
	return c
}

// Scale multiplies every weight.
func (t *Tree) Scale(by float64) {
	for n := range t.All() {
		n.Value, n.Self, n.Base, n.BaseSelf = n.Value*by, n.Self*by, n.Base*by, n.BaseSelf*by
	}
}

// All returns the tree's frames, each before those below it.
func (t *Tree) All() func(yield func(*Tree) bool) {
	return func(yield func(*Tree) bool) { t.walk(yield) }
}

func (t *Tree) walk(yield func(*Tree) bool) bool {
	if !yield(t) {
		return false
	}
	for _, c := range t.Children {
		if !c.walk(yield) {
			return false
		}
	}
	return true
}

// sort puts the children in the order they are drawn in.
func (t *Tree) sort() {
	for n := range t.All() {
		slices.SortFunc(n.Children, func(a, b *Tree) int {
			return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(b.Value, a.Value), cmp.Compare(a.Name, b.Name))
		})
	}
}

// Diff returns head's tree, each frame with its weight in base. Frames that only base has are there with a Value of 0:
// they are not drawn, but listed. Both trees must be in the same unit; they are left as they are.
func Diff(base, head *Tree) *Tree {
	t := &Tree{Frame: head.Frame, Value: head.Value, Self: head.Self, Base: base.Value, BaseSelf: base.Self}
	before := map[string]*Tree{}
	for _, c := range base.Children {
		before[c.Name] = c
	}
	for _, c := range head.Children {
		b := before[c.Name]
		if b == nil {
			b = &Tree{}
		}
		delete(before, c.Name)
		t.Children = append(t.Children, Diff(b, c))
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		b := before[name]
		t.Children = append(t.Children, Diff(b, &Tree{Frame: b.Frame}))
	}
	return t
}

// Change is what one function weighs by itself, wherever it was called from, before and after.
type Change struct {
	Frame
	Base, Head float64
}

// Changes returns the functions whose own weight changed, most first, at most n. The tree must come from [Diff].
func (t *Tree) Changes(n int) []Change {
	byName := map[string]*Change{}
	for f := range t.All() {
		name := f.full()
		c := byName[name]
		if c == nil {
			c = &Change{Frame: f.Frame}
			byName[name] = c
		}
		c.Base += f.BaseSelf
		c.Head += f.Self
	}
	var list []Change
	for _, c := range byName {
		if c.Base != c.Head {
			list = append(list, *c)
		}
	}
	slices.SortFunc(list, func(a, b Change) int {
		return cmp.Or(cmp.Compare(math.Abs(b.Head-b.Base), math.Abs(a.Head-a.Base)), cmp.Compare(a.Name, b.Name))
	})
	return list[:min(n, len(list))]
}

func (f *Frame) full() string { return cmp.Or(f.Full, f.Name) }
