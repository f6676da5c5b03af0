package postgres

import (
	"cmp"
	"slices"
	"strings"
	"testing"
)

// TestCut cuts tables of many sizes and deals the chunks out. The chunks must
// cover every page once, and the partitions have about as many pages each.
func TestCut(t *testing.T) {
	tests := []struct {
		name  string
		sizes []tablePages
		n     int
		each  int64
		over  float64 // how much of the mean the largest partition may have
	}{
		{"one page", []tablePages{{1, 1}}, 1, 64, 1},
		{"as many pages as partitions", []tablePages{{7, 1}}, 7, 64, 1},
		{"fewer pages than chunks", []tablePages{{100, 1}}, 3, 64, 1.03},
		{"a page and a half for a chunk", []tablePages{{192, 1}}, 2, 64, 1.02},
		{"five quarters of a page for a chunk", []tablePages{{320, 1}}, 4, 64, 1.03},
		{"a large table", []tablePages{{131_072_003, 1}}, 32, 64, 1.0001},
		{"a thousand small tables below a large one", []tablePages{{0, 3}, {100, 1000}, {10_000, 1}}, 4, 2, 1.03},
		{"tables of all sizes", []tablePages{{1, 5}, {10, 9}, {90, 2}, {800, 3}, {1200, 1}}, 5, 64, 1.05},
	}
	for _, test := range tests {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			chunks := cut(test.sizes, int64(test.n)*test.each)
			if got, most := len(chunks), test.n*int(test.each); got < test.n || got > most {
				t.Fatalf("got %d chunks, want %d to %d", got, test.n, most)
			}

			var total, largest int64
			var all []pageRange
			for _, ranges := range deal(chunks, test.n) {
				pages := int64(0)
				for _, r := range ranges {
					for _, s := range test.sizes {
						to := min(r.to, s.pages)
						if r.to == 0 {
							to = s.pages
						}
						pages += max(to-r.from, 0) * s.tables
					}
				}
				total, largest, all = total+pages, max(largest, pages), append(all, ranges...)
				if !slices.IsSortedFunc(ranges, byFirstPage) {
					t.Errorf("ranges %v are out of order", ranges)
				}
			}
			if over := float64(largest) * float64(test.n) / float64(total); over > test.over {
				t.Errorf("a partition has %.4f times the mean of pages, want at most %.4f", over, test.over)
			}

			slices.SortFunc(all, byFirstPage)
			for i, r := range all {
				before := int64(0)
				if i > 0 {
					before = all[i-1].to
				}
				if r.from != before || (r.to == 0) != (i == len(all)-1) {
					t.Fatalf("range %d of %d is %v, behind page %d", i, len(all), r, before)
				}
			}
		})
	}
	if chunks := cut([]tablePages{{0, 3}}, 64); len(chunks) != 0 {
		t.Errorf("empty tables are cut into %v", chunks)
	}
}

func byFirstPage(a, b pageRange) int { return cmp.Compare(a.from, b.from) }

// TestDeal deals out the pages of a table whose rows become wider from page to
// page.
func TestDeal(t *testing.T) {
	const pages = 18
	width := make([]int64, 3)
	for k, ranges := range deal(cut([]tablePages{{pages, 1}}, pages), len(width)) {
		for _, r := range ranges {
			if r.to == 0 {
				r.to = pages
			}
			for page := r.from; page < r.to; page++ {
				width[k] += page
			}
		}
	}
	if width[0] != width[1] || width[1] != width[2] {
		t.Errorf("the partitions' rows are %d wide, want all the same", width)
	}
}
