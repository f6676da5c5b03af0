package sdk

import (
	"errors"

	"github.com/rapidbyte-go/rapidbyte/hostfuncs/abi"
)

var errNotYet = errors.New("sdk: not written yet")

func quote(s string) string                                   { return `"` + s + `"` }
func parseOpenRequest(b []byte) (*abi.OpenRequest, error)     { return nil, errNotYet }
func parseRunRequest(b []byte) (*abi.RunRequest, error)       { return nil, errNotYet }
func parseError(b []byte) (*abi.Error, error)                 { return nil, errNotYet }
func appendError(dst []byte, e *abi.Error) []byte             { return dst }
func appendCatalog(dst []byte, c *abi.Catalog) []byte         { return dst }
func appendCheckReport(dst []byte, c *abi.CheckReport) []byte { return dst }
func appendCheckpoint(dst []byte, c *abi.Checkpoint) []byte   { return dst }
