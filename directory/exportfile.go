package directory

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// The format of the file is described, for its readers, in docs/export.md.
const (
	fileFormat  = "doorward-export"
	fileVersion = 1

	// maxLine bounds what a reader has to hold at once. Export writes no line
	// that Import would not read.
	maxLine = 16 << 20

	// maxEventID is the greatest number that every reader of JSON can hold. It
	// leaves later records all the IDs that they will ever need.
	maxEventID = 1<<53 - 1

	// timeFormat has every digit that a database keeps, always.
	timeFormat = "2006-01-02T15:04:05.000000Z"
)

// Refusals of Import. Both are matched with errors.Is, and come wrapped in the
// line and in what is wrong with it.
var (
	// ErrFile is returned for what is not a whole file of Export: of another
	// format or a newer version, cut, damaged, or with something in it that no
	// directory may hold.
	ErrFile = errors.New("directory: not a file that can be imported")

	// ErrNotEmpty is returned by Import where there are users already.
	ErrNotEmpty = errors.New("directory: there are users already")
)

// Counts say how much of everything there is.
type Counts struct {
	Users     int64 `json:"users"`
	Addresses int64 `json:"addresses"`
	Groups    int64 `json:"groups"` // memberships
	Passkeys  int64 `json:"passkeys"`
	Keys      int64 `json:"keys"`
	Events    int64 `json:"events"`
}

// Records returns how many records these are. A user is one, with all that is
// theirs.
func (c Counts) Records() int64 { return c.Users + c.Keys + c.Events }

// Progress is how far an Export or an Import has come.
type Progress struct{ Done, Total Counts }

// A Summary says what a file holds.
type Summary struct {
	CreatedAt time.Time `json:"created_at"` // the moment that it shows
	Program   string    `json:"program"`    // the version of this program that wrote it
	Counts
}

// A fileLine is one line: exactly one of its members is there.
type fileLine struct {
	Header *fileHeader `json:"header,omitempty"`
	Key    *fileKey    `json:"key,omitempty"`
	User   *fileUser   `json:"user,omitempty"`
	Event  *fileEvent  `json:"event,omitempty"`
	Footer *fileFooter `json:"footer,omitempty"`
}

type fileHeader struct {
	Format      string   `json:"format"`
	Version     int64    `json:"version"`
	CreatedAt   fileTime `json:"created_at"`
	Program     string   `json:"program"`
	Counts      Counts   `json:"counts"`
	LastEventID int64    `json:"last_event_id"`
}

type fileFooter struct {
	Counts Counts    `json:"counts"`
	SHA256 fileBytes `json:"sha256"`
}

type fileKey struct {
	ID        string    `json:"id"`
	Algorithm string    `json:"algorithm"`
	Public    fileBytes `json:"public"`
	Sealed    fileBytes `json:"sealed"`
	CreatedAt fileTime  `json:"created_at"`
	SignsFrom fileTime  `json:"signs_from,omitzero"`
	RetiresAt fileTime  `json:"retires_at,omitzero"`
}

type fileUser struct {
	ID        string        `json:"id"`
	Name      string        `json:"name"`
	Disabled  bool          `json:"disabled"`
	Added     bool          `json:"added"`
	Groups    []string      `json:"groups"`
	CreatedAt fileTime      `json:"created_at"`
	UpdatedAt fileTime      `json:"updated_at"`
	Addresses []fileAddress `json:"addresses"`
	Passkeys  []filePasskey `json:"passkeys"`
}

type fileAddress struct {
	ID        string   `json:"id"`
	Address   Address  `json:"address"`
	Verified  bool     `json:"verified"`
	Primary   bool     `json:"primary"`
	CreatedAt fileTime `json:"created_at"`
	UpdatedAt fileTime `json:"updated_at"`
}

type filePasskey struct {
	ID                fileBytes `json:"id"`
	RPID              string    `json:"rp_id"`
	Name              string    `json:"name"`
	PublicKey         fileBytes `json:"public_key"`
	AAGUID            fileBytes `json:"aaguid"`
	AttestationType   string    `json:"attestation_type"`
	AttestationFormat string    `json:"attestation_format"`
	Attachment        string    `json:"attachment"`
	Transports        []string  `json:"transports"`
	SignCount         uint32    `json:"sign_count"`
	UserPresent       bool      `json:"user_present"`
	UserVerified      bool      `json:"user_verified"`
	BackupEligible    bool      `json:"backup_eligible"`
	BackupState       bool      `json:"backup_state"`
	Discoverable      bool      `json:"discoverable"`
	CreatedAt         fileTime  `json:"created_at"`
	LastUsedAt        fileTime  `json:"last_used_at,omitzero"`
}

type fileEvent struct {
	ID     int64    `json:"id"`
	At     fileTime `json:"at"`
	Type   string   `json:"type"`
	UserID string   `json:"user_id"`
	Detail string   `json:"detail"`
	Client string   `json:"client"`
}

// fileTime is a time in a file.
type fileTime time.Time

// IsZero is asked by omitzero.
func (t fileTime) IsZero() bool { return time.Time(t).IsZero() }

func (t fileTime) MarshalJSON() ([]byte, error) {
	utc := time.Time(t).UTC()
	if y := utc.Year(); y < 0 || y > 9999 {
		return nil, fmt.Errorf("a time in the year %d", y) // RFC 3339, 1
	}
	return utc.AppendFormat(nil, `"`+timeFormat+`"`), nil
}

// UnmarshalJSON takes no other form than the one of MarshalJSON: what a
// database cannot keep would come out different.
func (t *fileTime) UnmarshalJSON(b []byte) error {
	parsed, err := time.Parse(`"`+timeFormat+`"`, string(b))
	if err != nil || parsed.Format(`"`+timeFormat+`"`) != string(b) {
		return errors.New("a time that is not as in 2006-01-02T15:04:05.000000Z")
	}
	*t = fileTime(parsed)
	return nil
}

// fileBytes are bytes in a file.
type fileBytes []byte

func (b fileBytes) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}

func (b *fileBytes) UnmarshalText(text []byte) error {
	decoded, err := base64.RawURLEncoding.Strict().AppendDecode(nil, text)
	if err != nil || bytes.ContainsAny(text, "\r\n") { // which the decoder passes over
		return errors.New("bytes that are not in base64url without padding")
	}
	*b = decoded
	return nil
}

// programVersion is what the build says of the module that this package is in.
func programVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	const module = "github.com/doorward/doorward"
	if info.Main.Path == module && info.Main.Version != "" {
		return info.Main.Version
	}
	for _, m := range info.Deps {
		if m.Path == module {
			return m.Version
		}
	}
	return "unknown"
}

// Interface guards.
var (
	_ json.Marshaler   = fileTime{}
	_ json.Unmarshaler = (*fileTime)(nil)
)
