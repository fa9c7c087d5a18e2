package caddymodule

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// options are the options of a Caddyfile block, by name. The parser only fills
// in fields: defaults and bounds are the modules' to say, so that they hold for
// JSON too.
type options map[string]option

type option struct {
	parse   func(d *caddyfile.Dispenser) error
	repeats bool // may be given more than once
	hidden  bool // is no option, and only says where it went
}

// parse reads the block that d is at. What it does not know is refused, with the
// file, the line, and what may have been meant; so is what is given twice.
func (o options) parse(d *caddyfile.Dispenser) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		known, ok := o[name]
		switch {
		case !ok:
			return d.Errf("unknown option %q%s", name, o.hint(name))
		case seen[name] && !known.repeats:
			return d.Errf("option %q is given twice", name)
		}
		seen[name] = true
		if err := known.parse(d); err != nil {
			return err
		}
	}
	return nil
}

// checked returns the options with a check that follows each: what is wrong is
// then said of the line that made it so.
func (o options) checked(check func() error) options {
	checked := make(options)
	for name, known := range o {
		checked[name] = option{repeats: known.repeats, hidden: known.hidden, parse: func(d *caddyfile.Dispenser) error {
			if err := known.parse(d); err != nil {
				return err
			}
			if err := check(); err != nil {
				return d.WrapErr(err)
			}
			return nil
		}}
	}
	return checked
}

// hint says what an unknown option may have been meant for.
func (o options) hint(name string) string {
	known := slices.DeleteFunc(slices.Sorted(maps.Keys(o)), func(name string) bool { return o[name].hidden })
	nearest := slices.MinFunc(known, func(a, b string) int { return cmp.Compare(distance(name, a), distance(name, b)) })
	if distance(name, nearest) <= max(1, len(name)/3) {
		return "; did you mean " + nearest + "?"
	}
	return "; known here: " + strings.Join(known, ", ")
}

// distance is how many letters have to be added, removed or changed to turn a
// into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// noMore refuses further arguments. It does not repeat them: one may be half of a
// password, or a URL that has one.
func noMore(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.Err("too many arguments; one with spaces in it stands in quotes")
	}
	return nil
}

// text is an option with one argument.
func text(to *string) option {
	return option{parse: func(d *caddyfile.Dispenser) error {
		if !d.NextArg() {
			return d.ArgErr()
		}
		*to = d.Val()
		return noMore(d)
	}}
}

// color is text for a color, which begins with what else begins a comment.
func color(to *string) option {
	o := text(to)
	return option{parse: func(d *caddyfile.Dispenser) error {
		if d.CountRemainingArgs() == 0 {
			return d.Err(`want a color in quotes, as in "#206a5d": without them, # begins a comment`)
		}
		return o.parse(d)
	}}
}

// texts is an option with one argument or more, which may be given again.
func texts(to *[]string) option {
	return option{repeats: true, parse: func(d *caddyfile.Dispenser) error {
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.ArgErr()
		}
		*to = append(*to, args...)
		return nil
	}}
}

// duration is an option with a duration such as 90s, 12h or 30d.
func duration(to *caddy.Duration) option {
	return option{parse: func(d *caddyfile.Dispenser) error {
		if err := readDuration(d, to); err != nil {
			return err
		}
		return noMore(d)
	}}
}

func readDuration(d *caddyfile.Dispenser, to *caddy.Duration) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	v, err := caddy.ParseDuration(d.Val())
	if err != nil || v <= 0 {
		return d.Errf("%q is not a duration such as 90s, 15m, 12h or 30d", d.Val())
	}
	*to = caddy.Duration(v)
	return nil
}

// number is an option with a number above zero.
func number[N int | int64](to *N) option {
	return option{parse: func(d *caddyfile.Dispenser) error {
		if err := readNumber(d, to); err != nil {
			return err
		}
		return noMore(d)
	}}
}

func readNumber[N int | int64](d *caddyfile.Dispenser, to *N) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	v, err := strconv.Atoi(d.Val())
	if err != nil || v <= 0 {
		return d.Errf("%q is not a number above zero", d.Val())
	}
	*to = N(v)
	return nil
}

// choice is an option with one of a few words for an argument.
func choice(to *string, words ...string) option {
	return option{parse: func(d *caddyfile.Dispenser) error {
		if !d.NextArg() {
			return d.ArgErr()
		}
		if !slices.Contains(words, d.Val()) {
			return d.Errf("%q is none of %s", d.Val(), strings.Join(words, ", "))
		}
		*to = d.Val()
		return noMore(d)
	}}
}

// toggle is an option that is on or off.
func toggle(to *bool) option {
	return option{parse: func(d *caddyfile.Dispenser) error {
		if !d.NextArg() {
			return d.ArgErr()
		}
		switch d.Val() {
		case "on":
			*to = true
		case "off":
			*to = false
		default:
			return d.Errf("%q is neither on nor off", d.Val())
		}
		return noMore(d)
	}}
}

// block is an option with a block of options, and no arguments.
func block(o options) option {
	return option{parse: func(d *caddyfile.Dispenser) error {
		if err := noMore(d); err != nil {
			return err
		}
		return o.parse(d)
	}}
}
