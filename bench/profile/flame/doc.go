// Package flame draws flame graphs: one SVG file that needs nothing else, alone in a browser or inside an HTML page.
//
//  1. [Tree] collects stacks with a weight each; equal beginnings become one frame.
//  2. [Tree.Scale] turns sums into what the reader should see, such as nanoseconds a row.
//  3. [Diff] lays two trees over one another; each frame then knows what it weighed before.
//  4. [Graph.Write] draws. A click zooms, the field (Ctrl-F) searches, the line below the head says what the pointer is on.
//
// It knows nothing of profiles or benchmarks.
package flame
