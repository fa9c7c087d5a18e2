package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/doorward/doorward/session"
)

// keysTimeout bounds what an operator asks of the keys: who signs and who checks
// may have to wait for it.
const keysTimeout = 20 * time.Second

// adminKey is a signing key as operators see one.
type adminKey struct {
	ID        string           `json:"id"`
	Algorithm string           `json:"algorithm"`
	State     session.KeyState `json:"state"`
	CreatedAt time.Time        `json:"created_at"`
	SignsFrom time.Time        `json:"signs_from"`
	RetiresAt time.Time        `json:"retires_at,omitzero"`
}

func newAdminKey(k session.KeyInfo) adminKey {
	return adminKey{k.ID, k.Algorithm, k.State, k.CreatedAt.UTC(), k.SignsFrom.UTC(), k.RetiresAt.UTC()}
}

// adminResealed says what was sealed again.
type adminResealed struct {
	Resealed int `json:"resealed"` // keys

	// NeededUntil is when an older secret can go, if there is one: sessions are
	// sealed again as they are used.
	NeededUntil time.Time `json:"old_secret_needed_until"`
}

func listKeys(o operator, r *http.Request) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), keysTimeout)
	defer cancel()
	keys, err := o.keys.List(ctx)
	if err != nil {
		return nil, err
	}
	list := []adminKey{}
	for _, k := range keys {
		list = append(list, newAdminKey(k))
	}
	return list, nil
}

func rotateKeys(o operator, r *http.Request) (any, error) {
	var body struct{ Now bool }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %w", errAdminBody, err)
	}
	key, err := o.rotateKeys(r.Context(), body.Now)
	if err != nil {
		return nil, err
	}
	return newAdminKey(key), nil
}

func resealKeys(o operator, r *http.Request) (any, error) {
	n, err := o.resealKeys(r.Context())
	if err != nil {
		return nil, err
	}
	return adminResealed{n, o.sessions.Resealed().UTC()}, nil
}

// rotateKeys makes the next signing key, to sign as soon as verifiers know it, or
// at once.
func (o operator) rotateKeys(ctx context.Context, atOnce bool) (session.KeyInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	key, err := o.keys.Rotate(ctx, atOnce)
	if err != nil {
		return session.KeyInfo{}, err
	}
	what := "keys_rotated"
	if atOnce {
		what = "keys_rotated_at_once"
	}
	return key, o.noteKeys(ctx, what, key.ID)
}

// resealKeys seals with the newest secret what an older one has sealed.
func (o operator) resealKeys(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	n, err := o.keys.Reseal(ctx)
	if err != nil {
		return 0, err
	}
	return n, o.noteKeys(ctx, "keys_resealed", fmt.Sprint(n))
}

// noteKeys writes an audit record of a change that is made. Whoever reads that it
// failed should not make the change again.
func (o operator) noteKeys(ctx context.Context, what, detail string) error {
	if err := o.note(ctx, "", what, detail); err != nil {
		return fmt.Errorf("the change is made, but not in the audit records: %w", err)
	}
	return nil
}
