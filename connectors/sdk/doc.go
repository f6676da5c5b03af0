// Package sdk is what a connector author imports.
package sdk
