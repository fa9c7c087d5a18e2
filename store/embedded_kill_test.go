package store_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/doorward/doorward/store"
)

// writerPath, in the environment, makes this test binary the process that is
// killed: it writes to the store in that file until it is.
const writerPath = "DOORWARD_TEST_WRITER_PATH"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerPath); path != "" {
		fmt.Fprintln(os.Stderr, writeUntilKilled(path, os.Getenv(writerPath+"_ROUND")))
		os.Exit(1)
	}
	// The parallel tests wait for a server's clock more than they compute.
	flag.Parse()
	logging.Disable() // of go-redis, which reports every fault that a test makes
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == fmt.Sprint(runtime.GOMAXPROCS(0)) {
		parallel.Value.Set("8")
	}
	os.Exit(m.Run())
}

// killedWriters is how many write at the same time until they are killed, and share
// commits.
const killedWriters = 6

// writeUntilKilled has writers put one value after the other and take every second one
// back, and say so on standard output: "put K" and "took K" when the store has
// answered, "taking K" before it is asked. They count what they put.
func writeUntilKilled(path, round string) error {
	e := store.NewEmbedded(store.EmbeddedOptions{Path: path})
	if err := e.Open(context.Background()); err != nil {
		return err
	}
	failed := make(chan error)
	for writer := range killedWriters {
		go func() { failed <- write(e, round, writer) }()
	}
	return <-failed
}

func write(e *store.Embedded, round string, writer int) error {
	ctx := context.Background()
	for i := 0; ; i++ {
		key := fmt.Sprintf("%s/%d/%d", round, writer, i)
		if err := e.Put(ctx, key, []byte("value of "+key), time.Hour); err != nil {
			return err
		}
		fmt.Println("put", key)
		if _, err := e.Count(ctx, round, time.Hour); err != nil {
			return err
		}
		fmt.Println("counted", round)
		if i%2 == 0 {
			continue
		}
		fmt.Println("taking", key)
		if _, err := e.Take(ctx, key); err != nil {
			return err
		}
		fmt.Println("took", key)
	}
}

func TestKilledWriterLosesNothingAndBringsNothingBack(t *testing.T) {
	const rounds = 12
	path := filepath.Join(t.TempDir(), "store.db")
	here := openEmbedded(t, path, nil) // another process, which stays
	told := &acknowledged{puts: map[string]bool{}, counts: map[string]int64{}, open: map[string]bool{}}
	for round := range rounds {
		name := fmt.Sprint("round ", round)
		told.read(t, path, name, time.Duration(rand.IntN(60))*time.Millisecond)
		told.check(t, here)
		// A store that is opened after the crash has to make sense of what it left.
		told.check(t, openEmbedded(t, path, nil))
	}
	if len(told.puts) < rounds {
		t.Errorf("%d values were put in %d rounds, want more: nothing was tested", len(told.puts), rounds)
	}
}

// acknowledged is what the writer was told by its store.
type acknowledged struct {
	puts   map[string]bool  // false when it was taken
	counts map[string]int64 // by round
	open   map[string]bool  // the values that were being taken when the writers died
}

// read runs a writer, kills it a while after its first line, and reads what it
// had to say.
func (a *acknowledged) read(t *testing.T, path, round string, after time.Duration) {
	t.Helper()
	writer := exec.Command(os.Args[0])
	writer.Env = append(os.Environ(), writerPath+"="+path, writerPath+"_ROUND="+round)
	writer.Stderr = os.Stderr
	output, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(time.Minute, func() { writer.Process.Kill() })
	defer stuck.Stop()
	lines := bufio.NewScanner(output)
	for first := true; lines.Scan(); first = false {
		if first {
			defer time.AfterFunc(after, func() { writer.Process.Kill() }).Stop()
		}
		verb, key, _ := strings.Cut(lines.Text(), " ")
		switch verb {
		case "put":
			a.puts[key] = true
		case "counted":
			a.counts[key]++
		case "taking":
			a.open[key] = true
		case "took":
			a.puts[key] = false
			delete(a.open, key)
		}
	}
	if err := writer.Wait(); writer.ProcessState.Exited() {
		t.Fatalf("the writer ended by itself: %v", err)
	}
	for key := range a.open {
		delete(a.puts, key) // taken or not: nobody was told
	}
	clear(a.open)
}

// check compares what the writer was told with what the store has now.
func (a *acknowledged) check(t *testing.T, s store.Store) {
	t.Helper()
	for key, there := range a.puts {
		got, err := s.Get(t.Context(), key)
		switch {
		case there && (err != nil || string(got) != "value of "+key):
			t.Errorf("Get(%q) = %q, %v, want the value that was put", key, got, err)
		case !there && !errors.Is(err, store.ErrNotFound):
			t.Errorf("Get(%q) = %q, %v, want ErrNotFound: it was taken", key, got, err)
		}
	}
	for round, told := range a.counts {
		got, err := s.Count(t.Context(), round, time.Hour)
		// One more is ours, and one of each writer may have been counted without telling.
		if err != nil || got < told+1 || got > told+1+killedWriters {
			t.Errorf("Count(%q) = %d, %v, want %d to %d", round, got, err, told+1, told+1+killedWriters)
		}
		a.counts[round] = got
	}
}
