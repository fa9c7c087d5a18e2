package session

import (
	"context"
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
	failed time.Time // when it did not
	news   []news    // of whom the nodes are to be told
	atOnce int       // how many of them the directory is asked for at once; fewer after a failure
	untold time.Time // when that failed
}

// news are of a subject who may have been changed behind our back.
type news struct {
	subject string
	again   bool // some of it may have been told
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
	h, asked := &s.hearing, s.now()
	if asked.Sub(h.failed).Abs() < directoryRest {
		return
	}
	changes, err := s.changed(ctx, h.mark)
	if err != nil {
		h.failed = s.now()
		return
	}
	answered := s.now()
	for _, subject := range s.forgetSubjects(changes.Subjects) {
		h.add(subject)
	}
	s.cache.tell(asked, answered, changes.Unbroken)
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
	return here
}

// add has the nodes told of a subject, once.
func (h *hearing) add(subject string) {
	if !slices.ContainsFunc(h.news, func(n news) bool { return n.subject == subject }) {
		h.news = append(h.news, news{subject: subject})
	}
}

// tellNews has all nodes know who those are whom hearChanges heard of and found here. What
// failed is tried again after a rest, behind the others: what cannot be told of one keeps
// nobody else from being told of.
func (s *Sessions) tellNews(ctx context.Context) {
	h := &s.hearing
	if s.now().Sub(h.untold).Abs() < directoryRest {
		return
	}
	for len(h.news) > 0 && ctx.Err() == nil {
		n := min(len(h.news), h.atOnce)
		few := h.news[:n]
		h.news = h.news[n:]
		if err := s.tellOf(ctx, few); err != nil {
			for _, n := range few {
				h.news = append(h.news, news{n.subject, true})
			}
			h.atOnce, h.untold = max(n/2, 1), s.now()
			return
		}
		h.atOnce = min(2*h.atOnce, askMost)
	}
}

// tellOf has all nodes know who some subjects are.
func (s *Sessions) tellOf(ctx context.Context, few []news) error {
	subjects := make([]string, len(few))
	for i, n := range few {
		subjects[i] = n.subject
	}
	found, err := s.askAll(ctx, subjects...)
	if err != nil {
		return err
	}
	var telling errgroup.Group
	telling.SetLimit(lookers()) // requests want connections of the store, too
	for _, n := range few {
		telling.Go(func() error { return s.tell(ctx, n, found[n.subject]) })
	}
	return telling.Wait()
}

// tell has all nodes know who a subject is where the store says otherwise. If it says the
// same, Doorward has made the change itself, or another node has told it; but that may have
// died before it had ended all sessions of somebody who is disabled.
func (s *Sessions) tell(ctx context.Context, n news, identity Identity) error {
	stored, err := s.storedIdentity(ctx, identity.Subject)
	if err == nil && stored.equal(identity) && !identity.Disabled && !n.again {
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
