package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// The journal is a set of the store that names what is being ended or changed, for a
// minute: once before it happens, and once after. A node that reads it every second
// knows that what is not named has not changed: its checks stay good without being made
// again, and what that costs does not grow with the number of sessions.
//
// After, because then all nodes forget what they read before; and before, because a
// node that dies in between has told all the same. Whoever is named is in doubt, and
// their checks are good for CheckInterval only: the change may not have happened yet.
//
// Readers leave marks in it, which expire sooner than names do. Whoever finds one there
// that was there when they read last has seen every name since, whoever slept: what was
// written after the mark is still there, too.
const (
	journalSet = "forgotten"
	markPrefix = "mark:"

	nameKeeps = time.Minute
	markKeeps = 30 * time.Second
	markEvery = 10 * time.Second

	// journalMost is how many entries are looked at. When more is ended than that within
	// a minute, the journal vouches for nothing.
	journalMost = 20_000

	// clockDrift is by how much two readings of the wall clock may lie further apart, or
	// less far, than those of the monotonic one: it is being adjusted, and not set.
	clockDrift = time.Second
)

// journal is what a node has read, and left there.
type journal struct {
	known  map[string]struct{} // what stood there at the last reading; nil if that failed
	read   time.Time           // when the last reading began
	marked time.Time           // when a mark was left

	mu    sync.Mutex
	named names // by what stood there
}

// inDoubt reports whether v is named in the journal.
func (j *journal) inDoubt(v *Visitor) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.named.have(v)
}

// announced makes a change to what f names, and has all nodes forget what they checked
// of it. Where they cannot be told, the journal tells them. It fails if the change does,
// or if it cannot be announced: then it may have happened, and others may go on for
// some minutes with what was so before.
func (s *Sessions) announced(ctx context.Context, f forgotten, change func() error) error {
	_ = s.announce(ctx, f) // what counts is that it is announced in the end
	err := change()
	s.forget(ctx, f) // also if that failed: it may be done
	return errors.Join(err, s.announce(ctx, f))
}

// announce writes f into the journal. Where nothing can be added, because the store is
// full, it takes the marks away instead: then no node vouches for anything any more.
func (s *Sessions) announce(ctx context.Context, f forgotten) error {
	for {
		err := s.store.Add(ctx, journalSet, rand.Text()+" "+f.message(), nameKeeps)
		if err == nil {
			return nil
		}
		entries, failed := s.store.Members(ctx, journalSet)
		marks := slices.DeleteFunc(entries, func(entry string) bool { return !isMark(entry) })
		if failed == nil && len(marks) == 0 {
			return nil
		}
		for _, mark := range marks {
			failed = errors.Join(failed, s.store.Remove(ctx, journalSet, mark))
		}
		if failed != nil {
			return fmt.Errorf("announcing a change of sessions: %w", errors.Join(err, failed))
		}
		// Somebody may have left another mark meanwhile.
	}
}

func isMark(entry string) bool { return strings.HasPrefix(entry, markPrefix) }

// entryNames returns what an entry of the journal names, if it names anything.
func entryNames(entry string) (f forgotten, ok bool) {
	_, message, _ := strings.Cut(entry, " ")
	return named(message)
}

// readJournal drops what is newly named, and then vouches for the other checks:
// for those that were made since the first of an unbroken series of readings. One that
// fails ends the series.
func (s *Sessions) readJournal(ctx context.Context) error {
	j, began, before := &s.journal, s.now(), s.journal.known
	j.known = nil
	entries, err := s.store.Members(ctx, journalSet)
	if err != nil {
		return fmt.Errorf("reading the journal of sessions: %w", err)
	}
	if len(entries) > journalMost {
		return fmt.Errorf("reading the journal of sessions: more than %d entries", journalMost)
	}
	known, all, fresh := make(map[string]struct{}, len(entries)), make(names), make(names)
	marked := false
	for _, entry := range entries {
		known[entry] = struct{}{}
		_, again := before[entry]
		f, ok := entryNames(entry)
		switch {
		case isMark(entry):
			marked = marked || again
		case !ok: // of a later version
		case again:
			all[f] = struct{}{}
		default:
			all[f], fresh[f] = struct{}{}, struct{}{}
		}
	}
	// In this order: whoever is named is in doubt, then checks of them are dropped, and
	// then what is left is vouched for.
	j.mu.Lock()
	j.named = all
	j.mu.Unlock()
	s.drop(fresh)
	s.cache.vouch(began, s.o.CheckInterval, marked && !wasSet(j.read, began))
	j.known, j.read = known, began
	return s.mark(ctx)
}

// wasSet reports whether the clock was set between two moments, or the machine slept. A
// session may have reached a limit by that, and checks, which are counted by the
// monotonic clock, would not notice.
func wasSet(from, to time.Time) bool {
	return (to.Round(0).Sub(from.Round(0)) - to.Sub(from)).Abs() >= clockDrift
}

// mark leaves a mark in the journal. None is ever left again before it expires: somebody
// who slept would find it there.
func (s *Sessions) mark(ctx context.Context) error {
	j, now := &s.journal, s.now()
	if !j.marked.IsZero() && now.Sub(j.marked) < markEvery && j.hasMark() {
		return nil
	}
	if err := s.store.Add(ctx, journalSet, markPrefix+rand.Text(), markKeeps); err != nil {
		return fmt.Errorf("marking the journal of sessions: %w", err)
	}
	j.marked = now
	return nil
}

// hasMark reports whether a mark stood in the journal.
func (j *journal) hasMark() bool {
	for entry := range j.known {
		if isMark(entry) {
			return true
		}
	}
	return false
}
