package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
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
	failed time.Time // when it did not, or the others could not be told
}

// hearChanges asks the directory who has changed since the last time, by whomever, and
// forgets their checks. Then it vouches for who the others are, as if the directory had
// been asked for each: for those whom this node has asked for since the first of an unbroken
// series of answers. What an answer leaves out, because the change was not yet to be seen,
// the next has; and it has everybody again of whom not all nodes could be told.
//
// A failure costs no more than questions: after identityRefresh, the directory is asked for
// each again.
func (s *Sessions) hearChanges(ctx context.Context) {
	h, asked := &s.hearing, s.now()
	if asked.Sub(h.failed).Abs() < directoryRest {
		return
	}
	changes, err := s.changed(ctx, h.mark)
	if err == nil {
		answered := s.now()
		here := s.forgetSubjects(changes.Subjects)
		s.cache.tell(asked, answered, changes.Unbroken)
		err = s.tellOf(ctx, here)
	}
	if err != nil {
		h.failed = s.now()
		return
	}
	h.mark = changes.Mark
}

func (s *Sessions) changed(ctx context.Context, mark string) (Changes, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return s.o.Identities.Changed(ctx, mark)
}

// forgetSubjects drops the checks of subjects, and returns those of whom there was one, or
// is an open stream.
func (s *Sessions) forgetSubjects(subjects []string) (here []string) {
	if len(subjects) == 0 {
		return nil
	}
	all := make(names, len(subjects))
	for _, subject := range subjects {
		all[forgotten{subject: subject}] = struct{}{}
	}
	here = append(s.cache.subjects(all), s.streams.subjects(all)...)
	s.drop(all)
	slices.Sort(here)
	return slices.Compact(here)
}

// tellOf has all nodes know who subjects are who may have been changed behind our back.
func (s *Sessions) tellOf(ctx context.Context, subjects []string) error {
	var failure error
	for few := range slices.Chunk(subjects, askMost) {
		found, err := s.askAll(ctx, few...)
		var telling errgroup.Group
		for _, identity := range found { // none, if that failed
			telling.Go(func() error { return s.tellIfNew(ctx, identity) })
		}
		failure = errors.Join(failure, err, telling.Wait())
	}
	return failure
}

// tellIfNew has all nodes know who a subject is where the store says otherwise: if it says
// the same, Doorward has made the change itself, or another node has told it.
func (s *Sessions) tellIfNew(ctx context.Context, identity Identity) error {
	stored, err := s.storedIdentity(ctx, identity.Subject)
	if err == nil && stored.equal(identity) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err = s.identityIs(ctx, identity)
	return err
}

// known reports whether a is who the subject is, without asking: the directory said so a
// moment ago, or says who changes.
func (s *Sessions) known(a Identity) bool {
	now := s.now()
	return a.within(identityRefresh, now) ||
		a.here && a.within(identityLasts, now) && s.cache.told.Load().holds(s.cache.at(a.At), s.cache.at(now))
}
