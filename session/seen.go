package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/doorward/doorward/store"
)

// seenParts says how exactly it is noted when a session was seen: to a thirtieth
// of its idle limit.
const seenParts = 30

const (
	// seenAtOnce is how many records are written in one journey.
	seenAtOnce = 512

	// seenSoon is within what time a record is written as it is.
	seenSoon = 5 * time.Second
)

// seen are the records of sessions that were used, to be written all at once.
type seen struct {
	mu      sync.Mutex
	records map[string]Session
}

// add has records written, unless later ones of the same sessions are to be.
func (x *seen) add(records ...Session) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.records == nil {
		x.records = make(map[string]Session)
	}
	for _, record := range records {
		if later, ok := x.records[record.ID]; !ok || later.LastSeenAt.Before(record.LastSeenAt) {
			x.records[record.ID] = record
		}
	}
}

// take returns the records that are to be written, which are the caller's now.
func (x *seen) take() []Session {
	x.mu.Lock()
	defer x.mu.Unlock()
	taken := make([]Session, 0, len(x.records))
	for _, record := range x.records {
		taken = append(taken, record)
	}
	x.records = nil
	return taken
}

// unnoted reports whether it is to be noted that a session is in use.
func (s *Session) unnoted(now time.Time) bool { return now.Sub(s.LastSeenAt) >= s.Idle/seenParts }

// note notes that a session is in use: within a second or so, where somebody
// writes what was seen, and at once if the session would end meanwhile.
func (s *Sessions) note(ctx context.Context, record *Session, now time.Time) error {
	left := record.endsAt().Sub(now)
	record.LastSeenAt = now
	if s.following.Load() && left > seenPause+checkTimeout {
		s.seen.add(*record)
		return nil
	}
	// Replace cannot bring back a session that was ended just now.
	err := s.put(ctx, record, s.store.Replace)
	if errors.Is(err, store.ErrNotFound) {
		return ErrEnded
	}
	if err != nil {
		return fmt.Errorf("noting that a session was seen: %w", err)
	}
	return nil
}

// writeSeen writes what is to be noted. What cannot be written is next time; that is a
// failure if nothing could be.
func (s *Sessions) writeSeen(ctx context.Context) error {
	var failure error
	wrote := false
	for records := range slices.Chunk(s.seen.take(), seenAtOnce) {
		entries, left, err := s.seenEntries(ctx, records)
		if err == nil || len(entries) > 0 {
			// It cannot bring back a session that was ended meanwhile.
			if failed := s.store.ReplaceAll(ctx, entries...); failed != nil {
				left, err = records, failed
			} else {
				wrote = true
			}
		}
		s.seen.add(left...)
		failure = errors.Join(failure, err)
	}
	if failure != nil && !wrote {
		return fmt.Errorf("noting that sessions were seen: %w", failure)
	}
	return nil
}

// seenEntries returns what is to be written, and what is left for the next time because it
// could not be read. What could not be written for a while may be older than what another
// node has noted, which stays; and what has ended is not written.
func (s *Sessions) seenEntries(ctx context.Context, records []Session) (entries []store.Entry, left []Session, failure error) {
	for i, record := range records {
		if ctx.Err() != nil {
			return entries, append(left, records[i:]...), ctx.Err()
		}
		now := s.now()
		ttl := record.endsAt().Sub(now)
		if ttl <= 0 {
			continue
		}
		if now.Sub(record.LastSeenAt) > seenSoon {
			noted, err := s.record(ctx, record.ID)
			if errors.Is(err, ErrEnded) || err == nil && !noted.LastSeenAt.Before(record.LastSeenAt) {
				continue
			}
			if err != nil {
				left, failure = append(left, record), err
				continue
			}
		}
		value, err := json.Marshal(&record)
		if err != nil {
			return nil, nil, err
		}
		entries = append(entries, store.Entry{Key: sessionKey(record.ID), Value: value, TTL: ttl})
	}
	return entries, left, failure
}
