// Package page writes a report as one HTML file that needs nothing else: no network, no fonts, no libraries.
//
// A [Page] is a list of sections, and a section a list of blocks: a [Table], a [Chart], a [Figure] or [Preformatted] text.
// It says what is to be shown; how it looks, in light and dark, on a phone and on paper, is this package's business.
//
//  1. Everything that can be read is in the document itself. The script adds sorting, tooltips and the choice of the
//     theme; without it nothing is missing.
//  2. Every string is taken for text, whatever it holds. The one exception is the drawing of a Figure, which is checked.
//  3. A content security policy in the page forbids it to fetch anything.
//  4. Colour never carries a meaning alone: marks differ in shape too, and outcomes are spelled out.
//
// The package knows nothing of benchmarks.
package page
