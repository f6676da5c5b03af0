// Package selftest proves that a comparison of two commits can be believed: that it finds what is there, and nothing else.
//
// One commit is built once, with plants in it (package hostfuncs/plant), and compared with itself. Only the environment of
// head's processes differs, so what is found is the plant or a mistake:
//
//   - without a plant no comparison may confirm a regression;
//   - a run made slower by 2, 5 or 10 % in one of four places must be found, and the place named;
//   - a row that is changed, missing, doubled or NULL must give [compare.ExitWrongData];
//   - an output that is torn or empty must give [compare.ExitError].
//
// How much time a plant takes comes from a calibration: a share of what the case takes without it. A plant counts as found
// when any gated unit of the case is confirmed as regressed: time burnt in a stage that another stage would have waited
// for anyway does not show in sec/op, but in cpu-sec/op.
//
// # Busy machines
//
// What a comparison can find depends on the machine. Before each trial, while nothing of ours runs, the processors are
// watched for half a second. If others took more than a tenth of them in more than one trial in ten, the machine was not
// idle, and a missed plant of 5 % is reported and breaks no promise. Where nobody tells how busy the machine is, it counts
// as busy.
package selftest
