// Package bisect finds the commit that made one benchmark slower.
//
//  1. The commits between a good and a bad one are listed, of merges the first parent only (package refs).
//  2. The bad commit is compared with the good one. If it is not slower, confirmed by both blocks of a comparison (package
//     compare), there is nothing to look for.
//  3. Binary search: the commit in the middle is compared with the good one. It is slow if its change lies, as a whole
//     interval, beyond half of what the bad commit shows, and fast if it lies within. Half is where the two answers are
//     furthest apart, so they are told from each other with the fewest pairs.
//  4. A commit of which neither can be said is measured again with twice the pairs, some times; then, or if it does not
//     build or does not have the case, its neighbours are tried.
//  5. A commit whose test binary and guests are those of one already judged is not measured: it gets the same answer.
//  6. The commit found is compared with the one before it. What that shows, and the phase that explains it, is reported.
//
// Every comparison is between the good commit and another, minutes apart from the next at most, never between figures of
// different sessions. The search believes that the commits before some point are fast and those after it slow; step 6 is
// there for histories where that is not so, and for the wrong answer in twenty that a comparison may give.
package bisect
