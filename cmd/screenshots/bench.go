package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
)

// A bench stands in for a test, for whom the parts of this command were made: it
// holds what they want to have cleaned up, and stops at the first failure.
type bench struct {
	testing.TB // nil: what is not below is not called

	cleanups []func()
	err      error
}

// onBench runs f with a bench, cleans up, and returns what went wrong.
func onBench(f func(*bench)) error {
	b := &bench{}
	done := make(chan struct{})
	go func() { // which Fatal ends
		defer close(done)
		defer b.clean()
		f(b)
	}()
	<-done
	return b.err
}

func (b *bench) clean() {
	for _, cleanup := range slices.Backward(b.cleanups) {
		cleanup()
	}
}

func (b *bench) Cleanup(f func()) { b.cleanups = append(b.cleanups, f) }
func (b *bench) Errorf(format string, args ...any) {
	b.err = errors.Join(b.err, fmt.Errorf(format, args...))
}
func (b *bench) Failed() bool                    { return b.err != nil }
func (b *bench) Helper()                         {}
func (b *bench) Log(args ...any)                 { fmt.Fprintln(os.Stderr, args...) }
func (b *bench) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (b *bench) Name() string                    { return "screenshots" }

func (b *bench) Fatal(args ...any) {
	b.Errorf("%s", fmt.Sprint(args...))
	runtime.Goexit()
}

func (b *bench) Fatalf(format string, args ...any) {
	b.Errorf(format, args...)
	runtime.Goexit()
}

func (b *bench) TempDir() string {
	dir, err := os.MkdirTemp("", "doorward-screenshots-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
