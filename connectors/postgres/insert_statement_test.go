package postgres

import (
	"fmt"
	"strings"
	"testing"
)

func TestPlaceholders(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {1, 9}, {1, 10}, {2, 1}, {2, 2}, {11, 1}, {250, 7}, {20, 200}, {1, 1600}, {1, 9999}, {1, 10000}, {65535, 1}, {5, 13107}} {
		rows, columns := size[0], size[1]
		var want []string
		for row := range rows {
			var list []string
			for column := range columns {
				list = append(list, fmt.Sprintf("$%d", row*columns+column+1))
			}
			want = append(want, "("+strings.Join(list, ",")+")")
		}
		b := []byte("before" + strings.Repeat("x", maxPlaceholders(rows, columns)))
		n := placeholders(b, len("before"), rows, columns)
		if got := string(b[:n]); got != "before"+strings.Join(want, ",") {
			t.Errorf("%d rows of %d columns: %.200s", rows, columns, got)
		}
		if strings.Trim(string(b[n:]), "x") != "" {
			t.Errorf("%d rows of %d columns: it wrote behind the end it returned", rows, columns)
		}
	}
}
