package ceremony

import (
	_ "embed"
	"encoding/json"
	"sync"

	"github.com/google/uuid"
)

// aaguidsJSON names the makes of authenticator that people have passkeys on, by
// AAGUID. Makers publish them; the list is for people to tell their passkeys
// apart, and nothing is decided by it, since without attestation an AAGUID is
// not proved.
//
//go:embed aaguids.json
var aaguidsJSON []byte

var aaguids = sync.OnceValue(func() map[uuid.UUID]string {
	var names map[uuid.UUID]string
	if err := json.Unmarshal(aaguidsJSON, &names); err != nil {
		panic("aaguids.json: " + err.Error())
	}
	return names
})

// AuthenticatorName returns what people call the make of authenticator with an
// AAGUID (WebAuthn L3, section 6.5.1.1), or "".
func AuthenticatorName(aaguid []byte) string {
	id, err := uuid.FromBytes(aaguid)
	if err != nil || id == uuid.Nil {
		return ""
	}
	return aaguids()[id]
}
