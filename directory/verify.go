package directory

import (
	"bytes"
	"io"
)

// Verify reads a file of Export to its end, and returns ErrFile if it is none,
// or was cut or changed. It looks at no record, so that it costs little more
// than reading does: whether all of them can be imported, Import finds out.
//
// progress may be nil. It is called every few hundred lines, and counts no more
// than lines: users, keys and events.
func Verify(r io.Reader, progress func(Progress)) (Summary, error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	f, err := readFile(r)
	if err != nil {
		return Summary{}, err
	}
	for n := 1; ; n++ {
		err := f.skim()
		if err == io.EOF {
			return f.header.summary(), nil
		}
		if err != nil {
			return Summary{}, err
		}
		if n%exportPage == 0 {
			progress(Progress{f.done, f.header.Counts})
		}
	}
}

// skim is next without the line.
func (f *fileReader) skim() error {
	line, err := f.line()
	if err != nil {
		return err
	}
	switch kind, _, _ := bytes.Cut(line, []byte(":")); string(kind) {
	case `{"key"`:
		f.done.Keys++
	case `{"user"`:
		f.done.Users++
	case `{"event"`:
		f.done.Events++
	default:
		l, err := f.decode(line)
		switch {
		case err != nil:
			return err
		case l.Footer == nil:
			return f.refuse("a line in the wrong place")
		}
		counted := l.Footer.Counts // the sum vouches for what is not counted here
		counted.Keys, counted.Users, counted.Events = f.done.Keys, f.done.Users, f.done.Events
		f.done = counted
		return f.end(*l.Footer)
	}
	f.sum.Write(line)
	return nil
}
