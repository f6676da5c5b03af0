// Package lib is the code under test of a small benchmark suite.
package lib

// Factor is how long the work takes, 1 being the usual time.
const Factor = 1.00

// Calls is how many calls the work makes.
const Calls = 40
