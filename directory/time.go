package directory

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// micros is a time as the database keeps it: a whole number of microseconds
// since 1970, UTC. It is what every database can compare and give back
// unchanged. The zero time is NULL.
type micros time.Time

// Value implements driver.Valuer.
func (m micros) Value() (driver.Value, error) {
	if time.Time(m).IsZero() {
		return nil, nil
	}
	return time.Time(m).UnixMicro(), nil
}

// Scan implements sql.Scanner.
func (m *micros) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		*m = micros{}
	case int64:
		*m = micros(time.UnixMicro(v).UTC())
	default:
		return fmt.Errorf("a time cannot be a %T", value)
	}
	return nil
}

// moment returns the time, as it will be read back from the database.
func (d *Directory) moment() time.Time {
	return time.UnixMicro(d.now().UnixMicro()).UTC()
}

// orNow returns t, or the present for the zero time.
func (d *Directory) orNow(t time.Time) time.Time {
	if t.IsZero() {
		return d.moment()
	}
	return t
}

// sameMoment reports whether the database cannot tell two times apart.
func sameMoment(a, b time.Time) bool {
	return a.IsZero() == b.IsZero() && (a.IsZero() || a.UnixMicro() == b.UnixMicro())
}
