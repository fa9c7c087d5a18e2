package session

import (
	"context"
	"time"
)

// KeyState says what a signing key does.
type KeyState string

// A key waits until verifiers know it, signs until the next one does, and
// verifies until the last token that it signed has expired.
const (
	KeyNext      KeyState = "next"
	KeySigning   KeyState = "signing"
	KeyVerifying KeyState = "verifying"
)

// KeyInfo is what an operator may know of a signing key.
type KeyInfo struct {
	ID        string // kid
	Algorithm string // alg: "ES256"
	State     KeyState
	CreatedAt time.Time
	SignsFrom time.Time
	RetiresAt time.Time // when it is removed; zero while it has no successor
}

// List reads the keys from the storage, and returns them in the order in which
// they begin to sign.
func (k *KeySet) List(ctx context.Context) ([]KeyInfo, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.refresh(ctx); err != nil {
		return nil, err
	}
	return k.list(k.set.Load()), nil
}

func (k *KeySet) list(set *keys) []KeyInfo {
	signer, _ := k.signer() // without one, none is signing
	var list []KeyInfo
	for _, s := range set.stored {
		info := KeyInfo{s.ID, s.Algorithm, KeyVerifying, s.CreatedAt, s.SignsFrom, s.RetiresAt}
		switch {
		case s.ID == signer.id:
			info.State = KeySigning
			if s.ID == set.stored[len(set.stored)-1].ID {
				info.RetiresAt = time.Time{} // until it has a successor, it stays
			}
		case s.Algorithm == k.o.Algorithm && s.SignsFrom.After(k.now()):
			info.State = KeyNext
		}
		list = append(list, info)
	}
	return list
}
