package postgres

// Pages are not alike: some are full of dead rows, some rows are wide, and they
// lie together. So a table is cut into many chunks, and each partition gets some
// from everywhere.
const (
	// mostChunks is how many chunks a partition has, about. With twice as many it
	// would be hardly more even; as many scans are planned in a few milliseconds.
	mostChunks = 64
	// mostScans and mostOutputs bound what the server has to plan for a partition:
	// scans, one for each chunk of each table, and the columns that they return.
	mostScans   = 1024
	mostOutputs = 8192
)

// tablePages says how many tables have a number of pages.
type tablePages struct{ pages, tables int64 }

// pageRange is the pages of a table, and of all tables below it, from one page up
// to but not including another; 0 stands for all that follow.
type pageRange struct{ from, to int64 }

// chunk is a range of pages and how many pages of all tables it has.
type chunk struct {
	pageRange
	pages int64
}

// pageParts divides the table that lies in f into at most n parts.
func pageParts(snapshot string, f *files, columns int, n int64) []sourcePart {
	tables := int64(0)
	for _, s := range f.sizes {
		tables += s.tables
	}
	each := max(min(mostChunks, mostScans/max(tables, 1), mostOutputs/int64(max(columns, 1))), 1)
	chunks := cut(f.sizes, n*each)

	parts := make([]sourcePart, min(n, int64(len(chunks))))
	for i, ranges := range deal(chunks, len(parts)) {
		parts[i] = sourcePart{snapshot: snapshot, pages: ranges}
	}
	return parts
}

// cut cuts tables, the smallest first, into at most the given number of chunks
// that have about as many pages each, all tables together. The last has no end:
// what lies there belongs to some partition in any case.
func cut(sizes []tablePages, most int64) []chunk {
	var total, tables int64
	for _, s := range sizes {
		total += s.pages * s.tables
		tables += s.tables
	}

	var chunks []chunk
	at, done := int64(0), int64(0)  // the next page, and how many pages lie before it
	start, before := int64(0), done // the same where the chunk begins
	for _, s := range sizes {
		// Up to here, each of the tables that are left has every page.
		for at < s.pages {
			goal := total * int64(len(chunks)+1) / most
			step := min(max((goal-done+tables-1)/tables, 1), s.pages-at)
			at, done = at+step, done+step*tables
			if done >= goal {
				chunks = append(chunks, chunk{pageRange{start, at}, done - before})
				start, before = at, done
			}
		}
		tables -= s.tables
	}
	if len(chunks) > 0 {
		chunks[len(chunks)-1].to = 0
	}
	return chunks
}

// deal gives the chunks to n partitions, each to the one that has least so far and
// among equals to the one that was served last. With chunks of one size that is
// 0 1 2 2 1 0 0 1 2: where rows become wider from page to page, always beginning
// with the first would leave it the narrower ones of every round. It never repeats
// a pattern of the sizes, as counting off would.
func deal(chunks []chunk, n int) [][]pageRange {
	hands := make([][]pageRange, n)
	pages, served := make([]int64, n), make([]int, n)
	for i, c := range chunks {
		k := 0
		for j := range n {
			if pages[j] < pages[k] || pages[j] == pages[k] && served[j] > served[k] {
				k = j
			}
		}
		pages[k] += c.pages
		served[k] = i + 1
		if last := len(hands[k]) - 1; last >= 0 && hands[k][last].to == c.from {
			hands[k][last].to = c.to
			continue
		}
		hands[k] = append(hands[k], c.pageRange)
	}
	return hands
}
