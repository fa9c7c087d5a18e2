package scale

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/doorward/doorward/integration/authenticator"
	"github.com/doorward/doorward/session"
)

const (
	// sampleSize is how many users of a site there are keys for to sign in with.
	sampleSize = 4000

	// strangerKeys is how many public keys all other passkeys share. It is not
	// for a directory to care: it never reads one but to hand it out.
	strangerKeys = 256

	passkeysEach = 2
	rpID         = "localhost"
)

// joined is when all users signed up.
var joined = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)

// A population is the users of a site. What user i is follows from i, so that a
// million of them needs no memory.
type population struct {
	size      int
	every     int                 // one in so many users is of the sample
	sample    []authenticator.Key // of the first passkeys of users 0, every, 2*every, ...
	strangers [][]byte            // public keys of everybody else, as COSE_Key
}

func newPopulation(size int) (*population, error) {
	p := &population{size: size, every: max(1, size/sampleSize)}
	for range min(size, sampleSize) {
		key, err := authenticator.NewKey(authenticator.ES256)
		if err != nil {
			return nil, err
		}
		p.sample = append(p.sample, key)
	}
	for range strangerKeys {
		key, err := authenticator.NewKey(authenticator.ES256)
		if err != nil {
			return nil, err
		}
		p.strangers = append(p.strangers, key.COSE())
	}
	return p, nil
}

// digest returns bytes that look drawn by lot and belong to one thing of user i.
func digest(what string, i int) []byte {
	sum := sha256.Sum256(strconv.AppendInt([]byte(what), int64(i), 10))
	return sum[:]
}

// uuid returns a UUID of version 4 whose last digits are i, and whose first ones
// are in no order, like those of real ones.
func uuid(what string, i int) string {
	d := digest(what, i)
	return fmt.Sprintf("%x-%x-4%03x-%x-%012x", d[:4], d[4:6], binary.BigEndian.Uint16(d[6:])&0xfff,
		[]byte{d[8]&0x3f | 0x80, d[9]}, i)
}

func (p *population) id(i int) string      { return uuid("user", i) }
func (p *population) address(i int) string { return fmt.Sprintf("user%07d@example.com", i) }
func (p *population) name(i int) string    { return fmt.Sprintf("User %d", i) }

func (p *population) groups(i int) []string {
	if i%100 == 0 {
		return []string{"admins", "members"}
	}
	return []string{"members"}
}

// index returns which user has an ID.
func (p *population) index(id string) (int, error) {
	if len(id) != 36 {
		return 0, fmt.Errorf("%q is nobody's ID", id)
	}
	i, err := strconv.ParseInt(id[24:], 16, 64)
	if err != nil || i < 0 || int(i) >= p.size || p.id(int(i)) != id {
		return 0, fmt.Errorf("%q is nobody's ID", id)
	}
	return int(i), nil
}

// credential returns the ID of a user's passkey: the first is 0.
func (p *population) credential(i, passkey int) []byte {
	return digest(fmt.Sprintf("passkey %d of ", passkey), i)
}

// publicKey returns the key of a user's passkey.
func (p *population) publicKey(i, passkey int) []byte {
	if passkey == 0 && i%p.every == 0 && i/p.every < len(p.sample) {
		return p.sample[i/p.every].COSE()
	}
	return p.strangers[(i*passkeysEach+passkey)%len(p.strangers)]
}

// authenticator returns the device with the first passkey of a user of the
// sample, of which n counts.
func (p *population) authenticator(n int, origin string) *authenticator.Authenticator {
	i := n * p.every
	return &authenticator.Authenticator{
		Origin: origin, Synced: true,
		Credentials: []*authenticator.Credential{{
			ID: p.credential(i, 0), RPID: rpID, UserHandle: handle(p.id(i)), Key: p.sample[n],
		}},
	}
}

// handle returns the bytes of a UUID, which are the WebAuthn user handle.
func handle(id string) []byte {
	var b []byte
	if _, err := fmt.Sscanf(id[:8]+id[9:13]+id[14:18]+id[19:23]+id[24:], "%x", &b); err != nil {
		panic(err) // the ID is ours
	}
	return b
}

// Of implements [session.Identities]: what the directory would say, which
// site.check holds it to, without asking it twice for each of a million sessions.
func (p *population) Of(_ context.Context, subjects ...string) (found []session.Identity, err error) {
	for _, subject := range subjects {
		i, err := p.index(subject)
		if err != nil {
			return nil, err
		}
		found = append(found, session.Identity{
			Subject: subject, Name: p.name(i), Email: p.address(i), EmailVerified: true, Groups: p.groups(i),
		})
	}
	return found, nil
}

// Changed implements [session.Identities]: nobody changes.
func (*population) Changed(_ context.Context, mark string) (session.Changes, error) {
	return session.Changes{Mark: "none", Unbroken: mark != ""}, nil
}
