// Package matrix says what a sweep over row counts shows: what moving rows costs whatever their number, and what each row
// adds.
//
//  1. [Read] takes the samples of a run of the suite, in Go benchmark format, and sorts them into [Cell]s: one for every
//     row count of every load method and codec, and of the floors.
//  2. Each [Series] of cells that differ in nothing but their rows gets a straight line by weighted least squares: [FitLine].
//     Its height at no rows is the fixed cost, its slope the cost of a row.
//  3. [Matrix.WriteText], [Matrix.WriteCSV] and [Matrix.Page] present both.
//
// The tables of the cells themselves are benchstat's; this package does not repeat them.
package matrix
