package engine

// PhaseName is for tests.
var PhaseName = phaseName
