// Package compare says whether one commit is slower than another, in a way that can be believed.
//
//  1. [Refs] resolves two names, builds each commit's benchmark suite and guests in a worktree of its own, and stops at
//     once if both are the same code (package refs).
//  2. [Binaries] starts the prebuilt test binaries, one process for one observation, and reads what they print and the
//     samples they leave.
//  3. [Measure] runs rounds. In each round every open case gets one pair, in an order drawn from the seed: a process of
//     base and one of head that make their runs in turn, one at a time; base is first in odd rounds and head in even ones.
//     The pair's value is the median ratio of neighbouring runs. Runs that something disturbed are left out with
//     their neighbours; a pair of which half is gone is measured again at the end of the round, and counted; a case with
//     more than a fifth of repeats is given up as inconclusive.
//  4. After fixed numbers of rounds a judge looks at the pairs (package paired) and closes the cases whose answer is known.
//  5. What the first block found, or came close to finding, is measured again in a second block: new processes, a
//     restarted server, another order. The second block decides.
//  6. [Report] holds the verdict on every cell, a cell being a unit of a case; explains confirmed changes of time by the
//     phases that caused them; and sums up.
//
// # Verdicts
//
// The band of a cell is the largest of the threshold, what this machine resolves in that cell ([Noise]), and 2 ms. A
// change is judged by the interval of the median pair ratio, which holds at all looks together, and by the p-value of no
// difference, adjusted for all cells:
//
//   - regressed, improved: the interval lies entirely beyond the band, the adjusted p-value is at most the error
//     probability, and both blocks agree;
//   - same: the interval lies entirely inside the band;
//   - inconclusive: everything else, with the smallest change this data would have shown four times in five.
//
// Units that count work (assume=exact) have no test and a band of 0.01 %: one pair is enough, and any larger difference
// counts.
//
// The probability that a comparison of equal code reports any regression or improvement is at most the error probability,
// whatever the noise, as long as pairs are independent and swapping their halves changes nothing. "Same" may be wrong with
// at most that probability for each cell by itself.
//
// # Exit codes
//
// 0 nothing regressed, 1 tool, build or database failed, 2 usage, 3 regression, 4 inconclusive and strict, 5 wrong data:
// [Report.Exit] and [ExitOf].
package compare
