package ceremony

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/store"
)

// promiseLifetime is how long IDs that were promised are kept.
const promiseLifetime = time.Hour

// A promise is the IDs that an account will have.
type promise struct {
	UserID  string            `json:"user"`
	EmailID string            `json:"email"`
	Address directory.Address `json:"address"`
}

// promises keeps promises under the address, where whoever asks again finds
// them, and under the user ID. What stands under the user ID is the promise: it
// is there before anybody is told of it, and who takes it redeems it.
type promises struct{ store store.Store }

// make promises IDs to the owner of an address: the ones that were promised
// before, if they still are.
func (p promises) make(ctx context.Context, a directory.Address) (promise, error) {
	for range 3 { // somebody else may be first, and theirs be redeemed at once
		kept, err := p.byAddress(ctx, a)
		if err == nil || !errors.Is(err, store.ErrNotFound) {
			return kept, err
		}
		made := promise{uuid.NewString(), uuid.NewString(), a}
		value, err := json.Marshal(made)
		if err != nil {
			return promise{}, err
		}
		if err := p.store.Put(ctx, promiseKey(made.UserID), value, promiseLifetime); err != nil {
			return promise{}, fmt.Errorf("keeping promise: %w", err)
		}
		err = p.store.Create(ctx, promisedKey(a), value, promiseLifetime)
		if err == nil {
			return made, nil
		}
		if !errors.Is(err, store.ErrExists) {
			return promise{}, fmt.Errorf("keeping promise: %w", err)
		}
		// Somebody else was first. Nobody has been told of this one.
		if err := p.store.Delete(ctx, promiseKey(made.UserID)); err != nil {
			return promise{}, fmt.Errorf("removing promise: %w", err)
		}
	}
	return promise{}, errors.New("keeping promise: it changes all the time")
}

// byAddress returns what the owner of an address is promised, or
// [store.ErrNotFound].
func (p promises) byAddress(ctx context.Context, a directory.Address) (promise, error) {
	value, err := p.store.Get(ctx, promisedKey(a))
	if err != nil {
		return promise{}, fmt.Errorf("reading promise: %w", err)
	}
	var named promise
	if err := json.Unmarshal(value, &named); err != nil {
		return promise{}, fmt.Errorf("reading promise: %w", err)
	}
	kept, err := p.byUser(ctx, named.UserID)
	if errors.Is(err, store.ErrNotFound) { // redeemed, so that there is room for another
		if err := p.store.Delete(ctx, promisedKey(a)); err != nil {
			return promise{}, fmt.Errorf("removing promise: %w", err)
		}
	}
	return kept, err
}

// byUser returns the promise of a user ID and gives it another hour, or returns
// [store.ErrNotFound].
func (p promises) byUser(ctx context.Context, userID string) (promise, error) {
	value, err := p.store.Get(ctx, promiseKey(userID))
	if err == nil {
		// In place of a live one only: what is redeemed stays redeemed.
		err = p.store.Replace(ctx, promiseKey(userID), value, promiseLifetime)
	}
	if err != nil {
		return promise{}, fmt.Errorf("reading promise: %w", err)
	}
	var kept promise
	if err := json.Unmarshal(value, &kept); err != nil {
		return promise{}, fmt.Errorf("reading promise: %w", err)
	}
	return kept, nil
}

// redeem takes a promise, so that its IDs are used once, or returns
// [store.ErrNotFound].
func (p promises) redeem(ctx context.Context, userID string) (promise, error) {
	value, err := p.store.Take(context.WithoutCancel(ctx), promiseKey(userID))
	if err != nil {
		return promise{}, fmt.Errorf("redeeming promise: %w", err)
	}
	var taken promise
	if err := json.Unmarshal(value, &taken); err != nil {
		return promise{}, fmt.Errorf("redeeming promise: %w", err)
	}
	return taken, nil
}

func promiseKey(userID string) string              { return "promise/user/" + userID }
func promisedKey(address directory.Address) string { return "promise/address/" + string(address) }
