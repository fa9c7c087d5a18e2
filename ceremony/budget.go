package ceremony

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/doorward/doorward/store"
)

// A Budget is how often something may happen within a time.
type Budget struct {
	Times int64
	Per   time.Duration
}

// Budgets bound what strangers can do. They hold across ceremonies and nodes, so
// that beginning again resets nothing.
type Budgets struct {
	// Letters to one address. Default: 10 an hour.
	Letters Budget

	// Begun ceremonies that send letters, from one network. Default: 100 an hour.
	Begun Budget

	// Tries of passcodes for one address, right or wrong. Default: 20 an hour.
	Tries Budget

	// TriesFrom one network, so that one passcode tried on many addresses meets a
	// wall. Default: 300 an hour.
	TriesFrom Budget
}

// withDefaults returns b with the defaults filled in.
func (b Budgets) withDefaults() Budgets {
	for _, d := range []struct {
		budget *Budget
		times  int64
	}{{&b.Letters, 10}, {&b.Begun, 100}, {&b.Tries, 20}, {&b.TriesFrom, 300}} {
		if d.budget.Times == 0 {
			*d.budget = Budget{d.times, time.Hour}
		}
	}
	return b
}

// A LimitError says that a budget is spent.
type LimitError struct {
	RetryAfter time.Duration // when there is a new one
}

func (e *LimitError) Error() string { return "ceremony: budget spent" }

// spend takes one from who's budget, and returns a [LimitError] if there was
// none left. It counts first, so that callers at the same time cannot share one.
func spend(ctx context.Context, s store.Store, now time.Time, b Budget, name, who string) error {
	window := now.UnixNano() / int64(b.Per)
	ends := time.Unix(0, (window+1)*int64(b.Per))
	n, err := s.Count(ctx, "budget/"+name+"/"+who+"/"+strconv.FormatInt(window, 36), ends.Sub(now))
	if err != nil {
		return fmt.Errorf("counting %s: %w", name, err)
	}
	if n > b.Times {
		return &LimitError{RetryAfter: ends.Sub(now)}
	}
	return nil
}
