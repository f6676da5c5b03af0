package targets

import (
	"path/filepath"

	"github.com/rapidbyte-go/rapidbyte/bench/compare"
	"github.com/rapidbyte-go/rapidbyte/bench/page"
	"github.com/rapidbyte-go/rapidbyte/bench/report"
)

// pageFile is the page among the files of a comparison.
const pageFile = "report.html"

// checkPage refuses a page that could not be written: minutes of measuring should
// not end with that.
func (o *CompareOptions) checkPage() error {
	if o.HTML == nil {
		return nil
	}
	if err := page.Writable(*o.HTML); err != nil {
		return usage("-html=%s: %v", *o.HTML, err)
	}
	return nil
}

// writePage writes the page about a comparison among its files in dir, unless that
// is "", and where the user wants it.
func (o *CompareOptions) writePage(dir string, r *compare.Report, benchstat string) error {
	var paths []string
	if dir != "" {
		paths = append(paths, filepath.Join(dir, pageFile))
	}
	if o.HTML != nil {
		paths = append(paths, *o.HTML)
	}
	for _, path := range paths {
		if err := page.WriteFile(path, report.Compared(r, report.Extras{Benchstat: benchstat})); err != nil {
			return err
		}
	}
	return nil
}
