package lab

import (
	"io"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// zeros is an endless file of zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// lateEnd is the end of a file that comes late.
type lateEnd struct{}

func (lateEnd) Read([]byte) (int, error) {
	time.Sleep(5 * peakInterval)
	return 0, io.EOF
}

// A program's peak is what it used, however much the process that started it has used by then.
func TestWatchPeak(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	const size = 32 << 20
	ours := make([]byte, 4*size)
	for i := 0; i < len(ours); i += 4096 {
		ours[i] = 1
	}

	cmd := exec.Command("tail", "-c", strconv.Itoa(size)) // keeps all it is given
	cmd.Stdin = io.MultiReader(io.LimitReader(zeros{}, size), lateEnd{})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := watchPeak(cmd.Process.Pid)
	err := cmd.Wait()
	if got := stop(); err != nil || got < size || got > 2*size {
		t.Errorf("the peak of a program that kept %d MiB is %d MiB (%v)", size>>20, got>>20, err)
	}
	runtime.KeepAlive(ours)
}
