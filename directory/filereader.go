package directory

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"unicode/utf8"
)

// A fileReader reads a file of Export line by line. What it returns is as the
// format wants it, the last line included; that the records in it may stand in
// a directory is for others to say.
type fileReader struct {
	r    *bufio.Reader
	long []byte    // a line that is longer than r's buffer
	n    int64     // the line that was read last, from 1
	size int       // how long it is
	sum  hash.Hash // of the lines before it

	header fileHeader
	done   Counts // of what was returned
	last   string // the kind of line that was returned last
}

// readFile returns a reader of r, of which it has read the header. It returns
// ErrFile for what is no file of Export, or one of a newer version.
func readFile(r io.Reader) (*fileReader, error) {
	f := &fileReader{r: bufio.NewReaderSize(r, 1<<16), sum: sha256.New()}
	line, err := f.line()
	if err != nil {
		return nil, err
	}
	var some struct { // what every version has
		Header struct {
			Format  string
			Version int64
		}
	}
	if json.Unmarshal(line, &some) != nil || some.Header.Format != fileFormat {
		return nil, f.refuse("it does not begin as an export does")
	}
	if v := some.Header.Version; v < 1 || v > fileVersion {
		return nil, f.refuse(fmt.Sprintf("it is of version %d, and this program reads 1 to %d", v, fileVersion))
	}
	l, err := f.decode(line)
	if err != nil {
		return nil, err
	}
	c := l.Header.Counts
	for _, n := range []int64{c.Users, c.Addresses, c.Groups, c.Passkeys, c.Keys, c.Events, l.Header.LastEventID} {
		if n < 0 || n > maxEventID {
			return nil, f.refuse("a count that nothing has")
		}
	}
	f.header = *l.Header
	f.sum.Write(line)
	return f, nil
}

func (h fileHeader) summary() Summary { return Summary{h.CreatedAt.time(), h.Program, h.Counts} }

// next returns the next key, user or event, or io.EOF behind the footer of a
// file that is whole.
func (f *fileReader) next() (fileLine, error) {
	line, err := f.line()
	if err != nil {
		return fileLine{}, err
	}
	l, err := f.decode(line)
	if err != nil {
		return fileLine{}, err
	}
	switch {
	case l.Key != nil && (f.last == "" || f.last == "key"):
		f.last = "key"
		f.done.Keys++
	case l.User != nil && f.last != "event":
		f.last = "user"
		f.done.Users++
		f.done.Addresses += int64(len(l.User.Addresses))
		f.done.Groups += int64(len(l.User.Groups))
		f.done.Passkeys += int64(len(l.User.Passkeys))
	case l.Event != nil:
		f.last = "event"
		f.done.Events++
	case l.Footer != nil:
		return fileLine{}, f.end(*l.Footer)
	default:
		return fileLine{}, f.refuse("a line in the wrong place")
	}
	f.sum.Write(line)
	return l, nil
}

// end returns io.EOF if nothing is missing.
func (f *fileReader) end(footer fileFooter) error {
	switch {
	case !bytes.Equal(footer.SHA256, f.sum.Sum(nil)):
		return f.refuse("the lines before were changed: their SHA-256 is another")
	case footer.Counts != f.done || footer.Counts != f.header.Counts:
		return f.refuse("the lines before are not as many as it says")
	}
	if _, err := f.r.ReadByte(); err != io.EOF {
		if err != nil {
			return fmt.Errorf("reading file: %w", err)
		}
		return f.refuse("something comes after the last line")
	}
	return io.EOF
}

// line returns the next line with its end. It is good until the next call.
func (f *fileReader) line() ([]byte, error) {
	f.n++
	line, err := f.readLine()
	f.size = len(line)
	return line, err
}

func (f *fileReader) readLine() ([]byte, error) {
	part, err := f.r.ReadSlice('\n')
	if err == nil {
		return part, nil
	}
	f.long = f.long[:0]
	for ; ; part, err = f.r.ReadSlice('\n') {
		f.long = append(f.long, part...)
		switch {
		case len(f.long) > maxLine:
			return nil, f.refuse("the line is too long")
		case err == nil:
			return f.long, nil
		case err == io.EOF:
			return nil, f.refuse("the file was cut here: its last line is missing")
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("reading file: %w", err)
		}
	}
}

// decode reads one line, and takes nothing that it does not know: it would be
// lost without a word.
func (f *fileReader) decode(line []byte) (fileLine, error) {
	if !utf8.Valid(line) { // which package json would mend
		return fileLine{}, f.refuse("not UTF-8")
	}
	var l fileLine
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&l); err != nil {
		return fileLine{}, f.refuse(explainJSON(err))
	}
	if decoder.InputOffset() != int64(len(line)-1) {
		return fileLine{}, f.refuse("something comes after the object")
	}
	members := 0
	for _, there := range []bool{l.Header != nil, l.Key != nil, l.User != nil, l.Event != nil, l.Footer != nil} {
		if there {
			members++
		}
	}
	if members != 1 {
		return fileLine{}, f.refuse("not one of key, user, event and footer")
	}
	return l, nil
}

// explainJSON says what package json found, without the names of our types, and
// in a line: it may quote a name of any length.
func explainJSON(err error) string {
	what := err.Error()
	var typed *json.UnmarshalTypeError
	if errors.As(err, &typed) {
		what = fmt.Sprintf("%s cannot be a %s", typed.Field, typed.Value)
	}
	if len(what) > 200 {
		what = what[:200] + "..."
	}
	return what
}

// refuse returns ErrFile with what is wrong with the line.
func (f *fileReader) refuse(what string) error {
	return fmt.Errorf("%w: line %d: %s", ErrFile, f.n, what)
}
