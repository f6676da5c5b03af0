package page_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/rapidbyte-go/rapidbyte/bench/page"
)

func Example() {
	p := page.Page{
		Title: "Cost of a row",
		Facts: []page.Fact{{Name: "cases", Value: "2"}},
		Sections: []page.Section{{Title: "Results", Blocks: []page.Block{
			page.Table{
				Columns: []page.Column{{Title: "load"}, {Title: "ns/row", Number: true}},
				Rows: [][]page.Cell{
					{page.Text("copy"), {Text: "951", Value: 951}},
					{page.Text("insert"), {Text: "1,661", Value: 1661}},
				},
			},
			page.Chart{Kind: page.Lines, XLabel: "rows", YLabel: "ns/row", XLog: true, Series: []page.Series{
				{Name: "copy", Points: []page.Point{{X: 1000, Y: 22510}, {X: 100000, Y: 951}}},
			}},
		}}},
	}
	dir, err := os.MkdirTemp("", "page-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	fmt.Println(page.WriteFile(filepath.Join(dir, "reports", "report.html"), p))
	// Output: <nil>
}
