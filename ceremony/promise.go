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

// A promise is the IDs that an account will have. While it is kept, they also
// stand for whoever has the address.
type promise struct {
	UserID  string            `json:"user"`
	EmailID string            `json:"email"`
	Address directory.Address `json:"address"`
}

// promises keeps promises under the address, where whoever asks again finds
// them, and under the user ID. Neither changes when the account is made, nor when
// it is deleted: IDs that are new all of a sudden would tell a stranger of it, as
// those of an address that has had its account all along do not change.
//
// That they are for an account to have is kept apart, and taken when one is made
// with them. Lost, it costs them nothing but that.
type promises struct{ store store.Store }

// make promises IDs to the owner of an address: the ones that were promised
// before, for another hour, if they still are.
func (p promises) make(ctx context.Context, a directory.Address) (promise, error) {
	for range 3 { // somebody else may be first, and theirs expire at once
		kept, err := p.byAddress(ctx, a)
		if err == nil || !errors.Is(err, store.ErrNotFound) {
			return kept, err
		}
		made := promise{uuid.NewString(), uuid.NewString(), a}
		value, err := json.Marshal(made)
		if err != nil {
			return promise{}, err
		}
		// All of it is there before anybody is told of it.
		for _, key := range []string{unspentKey(made.UserID), promiseKey(made.UserID)} {
			if err := p.store.Put(ctx, key, value, promiseLifetime); err != nil {
				return promise{}, fmt.Errorf("keeping promise: %w", err)
			}
		}
		err = p.store.Create(ctx, promisedKey(a), value, promiseLifetime)
		if err == nil {
			return made, nil
		}
		if !errors.Is(err, store.ErrExists) {
			return promise{}, fmt.Errorf("keeping promise: %w", err)
		}
		// Somebody else was first. Nobody has been told of this one.
		for _, key := range []string{unspentKey(made.UserID), promiseKey(made.UserID)} {
			if err := p.store.Delete(ctx, key); err != nil {
				return promise{}, fmt.Errorf("removing promise: %w", err)
			}
		}
	}
	return promise{}, errors.New("keeping promise: it changes all the time")
}

// byAddress returns what the owner of an address is promised and gives it another
// hour, or returns [store.ErrNotFound].
func (p promises) byAddress(ctx context.Context, a directory.Address) (promise, error) {
	kept, value, err := p.read(ctx, promisedKey(a))
	if err != nil {
		return promise{}, err
	}
	if err := p.store.Replace(ctx, promisedKey(a), value, promiseLifetime); err != nil {
		return promise{}, fmt.Errorf("renewing promise: %w", err)
	}
	return kept, p.renew(ctx, kept.UserID, value)
}

// byUser returns the promise of a user ID and gives the ID another hour, or
// returns [store.ErrNotFound].
func (p promises) byUser(ctx context.Context, userID string) (promise, error) {
	kept, value, err := p.read(ctx, promiseKey(userID))
	if err != nil {
		return promise{}, err
	}
	return kept, p.renew(ctx, userID, value)
}

// renew gives a user ID that was promised another hour.
func (p promises) renew(ctx context.Context, userID string, value []byte) error {
	if err := p.store.Put(ctx, promiseKey(userID), value, promiseLifetime); err != nil {
		return fmt.Errorf("renewing promise: %w", err)
	}
	// In place of a live one only: what is redeemed stays redeemed.
	err := p.store.Replace(ctx, unspentKey(userID), value, promiseLifetime)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("renewing promise: %w", err)
	}
	return nil
}

// redeem returns the IDs of a promise for an account to have, once, or returns
// [store.ErrNotFound].
func (p promises) redeem(ctx context.Context, userID string) (promise, error) {
	value, err := p.store.Take(context.WithoutCancel(ctx), unspentKey(userID))
	if err != nil {
		return promise{}, fmt.Errorf("redeeming promise: %w", err)
	}
	var taken promise
	if err := json.Unmarshal(value, &taken); err != nil {
		return promise{}, fmt.Errorf("redeeming promise: %w", err)
	}
	return taken, nil
}

// read returns the promise under a key, and as it is kept.
func (p promises) read(ctx context.Context, key string) (promise, []byte, error) {
	value, err := p.store.Get(ctx, key)
	if err != nil {
		return promise{}, nil, fmt.Errorf("reading promise: %w", err)
	}
	var kept promise
	if err := json.Unmarshal(value, &kept); err != nil {
		return promise{}, nil, fmt.Errorf("reading promise: %w", err)
	}
	return kept, value, nil
}

func promisedKey(address directory.Address) string { return "promise/address/" + string(address) }
func promiseKey(userID string) string              { return "promise/user/" + userID }
func unspentKey(userID string) string              { return "promise/unspent/" + userID }
