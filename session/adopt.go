package session

import "context"

// Adopt returns a key of another installation as it is to be kept beside the
// keys of this one, for as long as something that it signed until now is valid.
// It keeps nothing. An adopted key may be newer than ours, and then signs; ours goes
// as one that has a successor, so there must be no sessions of ours yet.
//
// A key that does not open is an error, and must not be kept: a set that has one
// cannot be read at all.
func (k *KeySet) Adopt(s StoredKey) (StoredKey, error) {
	if _, err := k.open(s); err != nil {
		return StoredKey{}, err
	}
	// One with a successor retires when it would have retired there. Of one that
	// signs there it is not known here what will have succeeded it.
	if s.RetiresAt.IsZero() && !s.SignsFrom.After(k.now()) {
		s.RetiresAt = k.now().Add(k.o.TokenLifetime + Leeway)
	}
	return s, nil
}

// Adopted reads the keys after others were added to the storage, and has all
// nodes do so.
func (k *KeySet) Adopted(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tell(ctx)
	return k.refresh(ctx)
}
