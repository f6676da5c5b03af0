package pgtest

import "syscall"

// dieWithParent has the kernel end the server at once when this process dies, so that nothing is lost to a watchdog
// that was killed too.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGQUIT }
