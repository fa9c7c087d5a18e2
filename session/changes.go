package session

import (
	"context"
	"slices"
	"time"
)

// Changes are who may have changed, or was removed, between two marks of a directory.
type Changes struct {
	Subjects []string // some may be as they were
	Mark     string   // to go on from: whatever Of says from now on is true of it, or later
	Unbroken bool     // these are all since the mark that was asked with; without it, anybody may have
}

// hearing is how far the directory has said who changes.
type hearing struct {
	mark   string
	failed time.Time // when it did not
}

// hearChanges asks the directory who has changed since the last time, by whomever, and
// forgets their checks. Then it vouches for who the others are, as if the directory had
// been asked for each: for those whom this node has asked for since the first of an unbroken
// series of answers. What an answer leaves out, because the change was not yet to be seen,
// the next has.
//
// A failure costs no more than questions: after identityRefresh, the directory is asked for
// each again.
func (s *Sessions) hearChanges(ctx context.Context) {
	h, began := &s.hearing, s.now()
	if began.Sub(h.failed).Abs() < directoryRest {
		return
	}
	changes, err := s.changed(ctx, h.mark)
	if err != nil {
		h.failed = s.now()
		return
	}
	h.mark = changes.Mark
	word := vouched{s.cache.at(s.now()) + 1, s.cache.at(began) + identityRefresh}
	if !changes.Unbroken {
		follow(&s.cache.told, word, false)
		return
	}
	here := s.forgetSubjects(changes.Subjects)
	follow(&s.cache.told, word, true)
	s.tellOf(ctx, here)
}

func (s *Sessions) changed(ctx context.Context, mark string) (Changes, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return s.o.Identities.Changed(ctx, mark)
}

// forgetSubjects drops the checks of subjects, and returns those of whom there were any.
func (s *Sessions) forgetSubjects(subjects []string) (here []string) {
	if len(subjects) == 0 {
		return nil
	}
	all := make(names, len(subjects))
	for _, subject := range subjects {
		all[forgotten{subject: subject}] = struct{}{}
	}
	here = s.cache.subjects(all)
	s.drop(all)
	return here
}

// tellOf has all nodes know who subjects are who may have been changed behind our back,
// where the store says otherwise. What cannot be told is found out later: what the store
// says is good for identityRefresh after somebody has asked.
func (s *Sessions) tellOf(ctx context.Context, subjects []string) {
	for few := range slices.Chunk(subjects, askMost) {
		found, err := s.askAll(ctx, few...)
		if err != nil {
			return
		}
		for _, identity := range found {
			stored, err := s.storedIdentity(ctx, identity.Subject)
			if err == nil && stored.equal(identity) || ctx.Err() != nil {
				continue // by Doorward, which has told it, or another node
			}
			_, _ = s.identityIs(ctx, identity)
		}
	}
}

// known reports whether a is who the subject is, without asking: the directory said so a
// moment ago, or says who changes.
func (s *Sessions) known(a Identity) bool {
	now := s.now()
	return a.within(identityRefresh, now) ||
		a.here && a.within(identityLasts, now) && s.cache.told.Load().holds(s.cache.at(a.At), s.cache.at(now))
}
