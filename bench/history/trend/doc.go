// Package trend follows the cost of WebAssembly over commits: the time of a pipeline divided by that of the floor, the same
// rows moved natively by the same load method. Machine and server slow both, so the ratio outlives much that would spoil a
// series of times.
//
//  1. [Of] makes a [Series] for every case of every group: a point for each commit, in the order of [history.Commits].
//  2. [ChangePoints] divides a series where its level changes. The statistic and its permutation test are E-divisive's:
//     Matteson and James, A Nonparametric Approach for Multiple Change Point Analysis of Multivariate Data, Journal of the
//     American Statistical Association 109 (2014). Daly, Brown, Ingo, O'Leary and Bradford found it fit for a database's
//     benchmarks: The Use of Change Point Detection to Identify Software Performance Regressions in a Continuous
//     Integration System, ICPE 2020.
package trend
