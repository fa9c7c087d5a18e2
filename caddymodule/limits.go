package caddymodule

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/doorward/doorward/ceremony"
)

// Limits bound what strangers, and people, can do within a time. None can be
// turned off: where many share a network, or one person has much to do, it can be
// raised. What is counted is kept in the store, and outlasts a reload; only a
// budget whose time changes begins anew.
//
// A network is an IPv4 address or an IPv6 /64. A browser in which somebody has
// signed in before has budgets of its own there, of the same size, for passcodes
// of that account and for logins with passkeys: strangers cannot spend these.
type Limits struct {
	// Letters with passcodes to one address, at most 100 an hour. Default: 10 an
	// hour.
	Letters Limit `json:"letters,omitzero"`

	// Passcodes are the passcode ceremonies begun from one network. Default: 100 an
	// hour.
	Passcodes Limit `json:"passcodes,omitzero"`

	// Tries of passcodes, right or wrong, for one address and for one account, at
	// most 100 an hour. Default: 20 an hour.
	Tries Limit `json:"tries,omitzero"`

	// WrongPasscodes for one address and for one account, until its owner signs in,
	// by whatever means: at most 100, in at least a day. While they are spent,
	// passcodes of the account count only in browsers in which its owner has signed in
	// before, and passkeys everywhere. Default: 100 in 168h (7 days).
	WrongPasscodes Limit `json:"wrong_passcodes,omitzero"`

	// NetworkTries are the tries of passcodes from one network. Default: 300 an hour.
	NetworkTries Limit `json:"network_tries,omitzero"`

	// Lookups of addresses from one network. Default: 60 an hour.
	Lookups Limit `json:"lookups,omitzero"`

	// Signups that are begun from one network. Default: 60 an hour.
	Signups Limit `json:"signups,omitzero"`

	// NewAddresses that one user begins to add. Default: 20 an hour.
	NewAddresses Limit `json:"new_addresses,omitzero"`

	// AddressChanges are the addresses that one user removes or makes primary.
	// Default: 20 an hour.
	AddressChanges Limit `json:"address_changes,omitzero"`

	// PasskeyLogins begun from one network. Default: 3000 an hour.
	PasskeyLogins Limit `json:"passkey_logins,omitzero"`

	// NewPasskeys whose registration one user begins. Default: 60 an hour.
	NewPasskeys Limit `json:"new_passkeys,omitzero"`
}

// Limit is how often something may happen within a time. Both are wanted, or
// neither, for the default.
type Limit struct {
	// Times that it may happen, one or more.
	Times int64 `json:"times,omitempty"`

	// Per is the time: of the clock, so that an hour begins when the clock's does.
	Per caddy.Duration `json:"per,omitempty"`
}

// budget returns l as ceremonies know it. The zero Limit is their default.
func (l Limit) budget() ceremony.Budget {
	return ceremony.Budget{Times: l.Times, Per: time.Duration(l.Per)}
}

// ofPasscodes returns the budgets of passcodes.
func (l *Limits) ofPasscodes() ceremony.Budgets {
	return ceremony.Budgets{
		Letters: l.Letters.budget(), Begun: l.Passcodes.budget(), Tries: l.Tries.budget(),
		Wrong: l.WrongPasscodes.budget(), TriesFrom: l.NetworkTries.budget(),
	}
}

// A bounded limit is one by its name, with what it may be.
type bounded struct {
	name     string
	limit    *Limit
	times    int64         // at most
	min, max time.Duration // of Per
	hourly   int64         // at most so many an hour, however it is said; or 0
}

const day = 24 * time.Hour

// all returns the limits with their bounds. Those of an account bound how well its
// passcodes can be guessed, and how many letters a stranger can have sent to
// somebody; the others bound what the store is filled with.
func (l *Limits) all() []bounded {
	const many = 1_000_000
	return []bounded{
		{"letters", &l.Letters, 100, time.Minute, day, 100},
		{"passcodes", &l.Passcodes, many, time.Minute, day, 0},
		{"tries", &l.Tries, 100, time.Minute, day, 100},
		{"wrong_passcodes", &l.WrongPasscodes, 100, day, 365 * day, 0},
		{"network_tries", &l.NetworkTries, many, time.Minute, day, 0},
		{"lookups", &l.Lookups, many, time.Minute, day, 0},
		{"signups", &l.Signups, many, time.Minute, day, 0},
		{"new_addresses", &l.NewAddresses, 1000, time.Minute, day, 0},
		{"address_changes", &l.AddressChanges, 1000, time.Minute, day, 0},
		{"passkey_logins", &l.PasskeyLogins, many, time.Minute, day, 0},
		{"new_passkeys", &l.NewPasskeys, 1000, time.Minute, day, 0},
	}
}

// parseLimits parses the block limits.
func (a *App) parseLimits() option {
	o := make(options)
	for _, b := range a.Limits.all() {
		o[b.name] = option{parse: b.limit.parse}
	}
	limits := o.checked(a.Limits.validate)
	return option{parse: func(d *caddyfile.Dispenser) error {
		switch args := d.RemainingArgs(); {
		case len(args) == 1 && args[0] == "off":
			return d.Err(noLimitOff)
		case len(args) > 0:
			return d.Err("limits is a block: limits { letters 3 1h }, with each limit on a line of its own")
		}
		return limits.parse(d)
	}}
}

// noLimitOff is what whoever turns a limit off is told.
const noLimitOff = "a limit cannot be turned off: say how often and within which time, such as 1000 1h"

// parse parses a limit:
//
//	<name> <times> <duration>
func (l *Limit) parse(d *caddyfile.Dispenser) error {
	if n := d.CountRemainingArgs(); n != 2 {
		name := d.Val()
		if n == 1 && d.NextArg() && d.Val() == "off" {
			return d.Err(noLimitOff)
		}
		return d.Errf("%s wants how often and within which time, such as 20 1h", name)
	}
	if err := readNumber(d, &l.Times); err != nil {
		return err
	}
	return readDuration(d, &l.Per)
}

// validate returns what is wrong with the limits, each by itself.
func (l *Limits) validate() error {
	for _, b := range l.all() {
		if err := b.validate(); err != nil {
			return fmt.Errorf("limits %s: %w", b.name, err)
		}
	}
	return nil
}

func (b bounded) validate() error {
	times, per := b.limit.Times, time.Duration(b.limit.Per)
	switch {
	case times == 0 && per == 0:
		return nil
	case times == 0 || per == 0:
		return fmt.Errorf("want both times and per, or neither")
	case times < 1 || times > b.times:
		return fmt.Errorf("want between 1 and %d times, not %d", b.times, times)
	case per < b.min || per > b.max:
		return fmt.Errorf("want a time between %s and %s, not %s", short(b.min), short(b.max), short(per))
	}
	if hourly := float64(times) * float64(time.Hour) / float64(per); b.hourly > 0 && hourly > float64(b.hourly) {
		return fmt.Errorf("%d in %s are %.0f an hour, and %d are the most", times, short(per), math.Ceil(hourly), b.hourly)
	}
	return nil
}

// short writes a duration as people do: 1h, not 1h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
