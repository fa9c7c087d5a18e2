package scale

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"time"

	"github.com/doorward/doorward/directory"
)

// What follows is the format of docs/export.md.

type fileUser struct {
	ID        string        `json:"id"`
	Name      string        `json:"name"`
	Groups    []string      `json:"groups"`
	CreatedAt string        `json:"created_at"`
	UpdatedAt string        `json:"updated_at"`
	Addresses []fileAddress `json:"addresses"`
	Passkeys  []filePasskey `json:"passkeys"`
}

type fileAddress struct {
	ID        string `json:"id"`
	Address   string `json:"address"`
	Verified  bool   `json:"verified"`
	Primary   bool   `json:"primary"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

type filePasskey struct {
	ID                string   `json:"id"`
	RPID              string   `json:"rp_id"`
	Name              string   `json:"name"`
	PublicKey         string   `json:"public_key"`
	AAGUID            string   `json:"aaguid"`
	AttestationType   string   `json:"attestation_type"`
	AttestationFormat string   `json:"attestation_format"`
	Attachment        string   `json:"attachment"`
	Transports        []string `json:"transports"`
	UserPresent       bool     `json:"user_present"`
	UserVerified      bool     `json:"user_verified"`
	BackupEligible    bool     `json:"backup_eligible"`
	BackupState       bool     `json:"backup_state"`
	Discoverable      bool     `json:"discoverable"`
	CreatedAt         string   `json:"created_at"`
}

type fileEvent struct {
	ID     int    `json:"id"`
	At     string `json:"at"`
	Type   string `json:"type"`
	UserID string `json:"user_id"`
	Client string `json:"client"`
}

// counts returns what the population's file holds: an audit record for each user.
func (p *population) counts() directory.Counts {
	n := directory.Counts{
		Users: int64(p.size), Addresses: int64(p.size), Passkeys: int64(p.size * passkeysEach), Events: int64(p.size),
	}
	for i := range p.size {
		n.Groups += int64(len(p.groups(i)))
	}
	return n
}

// writeTo writes the population as an export file.
func (p *population) writeTo(w io.Writer) error {
	buffered := bufio.NewWriterSize(w, 1<<20)
	sum := sha256.New()
	lines := json.NewEncoder(io.MultiWriter(buffered, sum))
	at := fileTime(joined)
	write := func(kind string, content any) error { return lines.Encode(map[string]any{kind: content}) }
	err := write("header", map[string]any{
		"format": "doorward-export", "version": 1, "created_at": at, "program": "bench/scale",
		"counts": p.counts(), "last_event_id": p.size,
	})
	for i := 0; i < p.size && err == nil; i++ {
		err = write("user", p.fileUser(i, at))
	}
	for i := 0; i < p.size && err == nil; i++ {
		err = write("event", fileEvent{ID: i + 1, At: at, Type: "passkey_added", UserID: p.id(i), Client: "203.0.113.7"})
	}
	if err != nil {
		return err
	}
	// The footer is not part of its own sum.
	footer := map[string]any{"footer": map[string]any{"counts": p.counts(), "sha256": encode(sum.Sum(nil))}}
	if err := json.NewEncoder(buffered).Encode(footer); err != nil {
		return err
	}
	return buffered.Flush()
}

func (p *population) fileUser(i int, at string) fileUser {
	u := fileUser{
		ID: p.id(i), Name: p.name(i), Groups: p.groups(i), CreatedAt: at, UpdatedAt: at,
		Addresses: []fileAddress{{uuid("address", i), p.address(i), true, true, at, at}},
	}
	for n := range passkeysEach {
		u.Passkeys = append(u.Passkeys, filePasskey{
			ID: encode(p.credential(i, n)), RPID: rpID, Name: "Phone", PublicKey: encode(p.publicKey(i, n)),
			AAGUID: encode(make([]byte, 16)), AttestationType: "none", AttestationFormat: "none",
			Attachment: "platform", Transports: []string{"internal", "hybrid"},
			UserPresent: true, UserVerified: true, BackupEligible: true, BackupState: true, Discoverable: true,
			CreatedAt: at,
		})
	}
	return u
}

func fileTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
