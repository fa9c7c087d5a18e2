package session

import "time"

// Verify checks a session token as [Sessions.Check] does before it asks the store.
// Unlike that, it does not look for keys that only a token names, which is slow on
// purpose.
func (k *KeySet) Verify(token, audience string, now time.Time) (id string, err error) {
	return k.verifySession(token, audience, now)
}
