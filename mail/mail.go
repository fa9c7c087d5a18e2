// Package mail writes Doorward's letters and sees to their delivery.
//
// [Letters] turns a passcode or a piece of news about an account into a
// [Message] in the reader's language. An [Outbox] takes messages without making
// the caller wait, and gives each to a [Sender] until it is delivered, refused
// for good, or too old to be of use. There are two senders: [SMTP], and [Log]
// for demonstrations.
//
// The package does not decide who gets a letter, or how many: that is for the
// ceremonies. It does not keep letters over a restart, because a passcode
// that arrives late is worse than one that has to be asked for again. It does
// not sign letters (DKIM) or deliver to the reader's own server: that is the
// work of the relay it is given.
//
// A letter's text holds a passcode, so no error and no log line of this
// package has any of it, or more of an address than "a***@example.com". [Log]
// is the one exception, and has to be asked for.
package mail

import (
	"context"
	"errors"
	"time"
)

// ErrRefused is wrapped by the error of a [Sender] when the letter was refused
// for good, and trying again would change nothing: the server answered 5xx, or
// the recipient's address cannot be one.
var ErrRefused = errors.New("mail: letter refused")

// A Message is one letter to one reader.
type Message struct {
	// To is the reader's bare address, such as "ann@example.com".
	To string

	// Subject, Text and HTML say the same thing at three lengths. HTML may be
	// empty.
	Subject, Text, HTML string

	// Language is the letter's language as a BCP 47 tag. It may be empty.
	Language string

	// ID is what comes before the @ in the letter's Message-ID. It stays the
	// same from one attempt to the next, so that a letter that a server took
	// without our hearing of it can be recognised as the same. If empty, each
	// attempt makes its own.
	ID string

	// Within is a time in which an [Outbox] begins to send the letter, at a random
	// moment. That somebody is sent a letter at all may be nobody's business, and
	// sending one slows down what this machine does meanwhile. Zero means at once.
	Within time.Duration

	// ExpiresAt is when the letter is no longer of use. An [Outbox] drops it
	// rather than send it later. Zero means never.
	ExpiresAt time.Time
}

// A Sender delivers one letter at a time. Its methods may be called from
// several goroutines.
type Sender interface {
	// Send returns nil once somebody else has taken responsibility for the
	// letter. It returns soon after ctx ends.
	//
	// An error that wraps [ErrRefused] is final; after any other, the letter
	// may be tried again. No error holds a part of the letter's text or the
	// whole of the reader's address.
	Send(ctx context.Context, m Message) error
}
