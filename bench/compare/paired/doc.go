// Package paired answers one question about two versions of a program measured in pairs, back to back: by which factor
// does the second differ from the first, and how sure is that?
//
// The steps, each named by what implements it:
//
//  1. A pair becomes one number, the logarithm of its ratio ([LogRatio]). Whatever slowed both halves alike (another
//     process, a hot machine, a slow disk) divides out. Logarithms make +10 % and -9.1 % the same distance from nothing.
//
//  2. The estimate is the Hodges-Lehmann median of the pair ratios with its exact interval ([Estimate]), and the test is
//     Wilcoxon's exact signed-rank test ([SignedRank]). Both assume that equal programs give log-ratios symmetric about
//     zero, which swapping the order within the pairs provides, and that pairs are independent. Neither assumes a shape:
//     measured times have long tails and several modes.
//
//  3. Measuring stops early where the answer is known. Looking more than once would raise the rate of false alarms, so
//     the looks are fixed beforehand and share the error probability ([Plan], [Sequence]).
//
//  4. Many cases and metrics are judged at once, so their p-values are adjusted by Holm's method ([Holm]).
//
//  5. Where nothing was decided, [Resolution] says how large an effect this data would have shown.
//
// # Why group-sequential looks, and why a union bound
//
// Three rules were weighed. A confidence sequence that holds at every pair (a product of bets on the signs and sizes)
// may be looked at without end, but it pays for that freedom: after 12 pairs its evidence cannot exceed 2^12, and over
// 48 tests it would need nearly all of that. Classical group-sequential boundaries (Pocock, O'Brien-Fleming) are sharp
// but lean on a joint normal distribution of the looks, which 8 pairs of long-tailed ratios do not have. What is left is
// also the simplest: look k may spend the share w_k of the error alpha, with the shares adding up to one. By Boole's
// inequality the chance of any false alarm at any look is then at most alpha, exactly, for whatever noise the signed-rank
// test itself stands, and for any dependence between looks. The price is small because few looks are planned: at the
// last of the default looks 52 % of alpha is left, and the interval is about a seventh wider than without early looks.
//
// The same bound gives the two objects the verdict needs. p = min over looks of p_k / w_k is a p-value wherever one
// stops, so Holm's method applies to it unchanged at any moment, with some cases finished and others not. And the
// intervals of level 1 - w_k alpha hold at all looks together, so "entirely inside the band" and "entirely outside" are
// true statements at the level 1 - alpha whichever look they were read at.
package paired
