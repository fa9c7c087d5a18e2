package ceremony

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/store"
)

// additionLifetime is how long an address that a user adds waits to be proved.
const additionLifetime = time.Hour

// An addition is an address that a user adds to their account.
type addition struct {
	UserID  string            `json:"user"`
	EmailID string            `json:"email"`
	Address directory.Address `json:"address"`
	Most    int               `json:"most"` // addresses that the user may have
}

// additions keeps additions under the ID that the address will have, and lists
// those of each user.
type additions struct{ store store.Store }

// keep keeps an addition for an hour.
func (s additions) keep(ctx context.Context, a addition) error {
	value, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if err := s.store.Put(ctx, additionKey(a.EmailID), value, additionLifetime); err != nil {
		return fmt.Errorf("keeping address to add: %w", err)
	}
	if err := s.store.Add(ctx, additionsKey(a.UserID), a.EmailID, additionLifetime); err != nil {
		return fmt.Errorf("keeping address to add: %w", err)
	}
	return nil
}

// forget ends all additions of a user.
func (s additions) forget(ctx context.Context, userID string) error {
	ids, err := s.store.Members(ctx, additionsKey(userID))
	if err != nil {
		return fmt.Errorf("listing addresses to add: %w", err)
	}
	for _, id := range ids {
		if err := s.store.Delete(ctx, additionKey(id)); err != nil {
			return fmt.Errorf("removing address to add: %w", err)
		}
		if err := s.store.Remove(ctx, additionsKey(userID), id); err != nil {
			return fmt.Errorf("removing address to add: %w", err)
		}
	}
	return nil
}

// find returns an addition, or [store.ErrNotFound]. It is not kept for longer for
// it: the sign-in that it took was recent when it was begun.
func (s additions) find(ctx context.Context, emailID string) (addition, error) {
	value, err := s.store.Get(ctx, additionKey(emailID))
	if err != nil {
		return addition{}, fmt.Errorf("reading address to add: %w", err)
	}
	var a addition
	if err := json.Unmarshal(value, &a); err != nil {
		return addition{}, fmt.Errorf("reading address to add: %w", err)
	}
	return a, nil
}

// take ends an addition, so that its ID is used once, or returns
// [store.ErrNotFound].
func (s additions) take(ctx context.Context, emailID string) error {
	if _, err := s.store.Take(context.WithoutCancel(ctx), additionKey(emailID)); err != nil {
		return fmt.Errorf("taking address to add: %w", err)
	}
	return nil
}

func additionsKey(userID string) string { return "addresses/" + userID }

func additionKey(emailID string) string { return "address/" + emailID }
