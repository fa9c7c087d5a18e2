package ceremonies

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doorward/doorward/bench/processor"
	"github.com/doorward/doorward/integration/testbed"
)

// patience is how long a turn may take: whoever waits longer hangs.
const patience = 2 * time.Minute

// batch is how many passcodes are on their way at the same moment: an outbox holds
// 1,000 letters, and each waits up to half a second for its turn.
const batch = 500

// take has people sign in, and measures it. What is measured is the whole of it for
// the processor, letters included, and for the clock what the gateway was asked: not
// how long a letter waits for the moment at which it leaves, which is drawn so that
// nobody learns from it.
func (u turn) take(t *testing.T) result {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("the sign-ins hang"))
	defer cancel()
	n := max(*signIns, u.atOnce)
	devices, people := u.site.devices(t, u.atOnce), u.site.crowd(n)
	signature := signatureTime(t)
	stop := u.profile(t)
	defer stop()
	before := processor.OfProcess(t, u.site.gateway.Pid())
	var took time.Duration
	var err error
	if u.passkey {
		took, err = u.passkeys(ctx, devices, people)
	} else {
		for len(people) > 0 && err == nil {
			some := people[:min(batch, len(people))]
			people = people[len(some):]
			var d time.Duration
			d, err = u.passcodes(ctx, devices, some)
			took += d
		}
	}
	if err != nil {
		t.Fatalf("%v: %v", u, err)
	}
	used := processor.OfProcess(t, u.site.gateway.Pid()) - before
	u.site.signedIn += n
	return result{n, took, used, (signature + signatureTime(t)) / 2}
}

// passkeys has each of some people sign in with their passkey.
func (u turn) passkeys(ctx context.Context, devices []*testbed.Program, people []*person) (time.Duration, error) {
	began := time.Now()
	err := parallel(ctx, len(devices), len(people), func(worker, i int) error {
		device := devices[worker]
		move(device)
		options, err := device.Want(http.StatusOK, "POST", "/doorward/webauthn/login/initialize", "", nil)
		if err != nil {
			return err
		}
		assertion, err := people[i].key.Get([]byte(options.Body))
		if err != nil {
			return err
		}
		return people[i].arrive(device.Want(http.StatusOK, "POST", "/doorward/webauthn/login/finalize", "", json.RawMessage(assertion)))
	})
	return time.Since(began), err
}

// passcodes has each of some people sign in with a passcode: all ask for one before
// the first of them sends it in.
func (u turn) passcodes(ctx context.Context, devices []*testbed.Program, people []*person) (time.Duration, error) {
	proofs := make([]testbed.Proof, len(people))
	began := time.Now()
	err := parallel(ctx, len(devices), len(people), func(worker, i int) error {
		device := devices[worker]
		move(device)
		a, err := device.Want(http.StatusOK, "POST", "/doorward/passcode/login/initialize", "", map[string]string{"email": people[i].address})
		if err != nil {
			return err
		}
		return a.JSON(&proofs[i])
	})
	took := time.Since(began)
	if err != nil {
		return 0, err
	}
	for i, p := range people {
		if proofs[i].Code, err = u.site.letters.passcode(ctx, p.address); err != nil {
			return 0, err
		}
	}
	began = time.Now()
	err = parallel(ctx, len(devices), len(people), func(worker, i int) error {
		device := devices[worker]
		move(device)
		return people[i].arrive(device.Want(http.StatusOK, "POST", "/doorward/passcode/login/finalize", "", proofs[i]))
	})
	return took + time.Since(began), err
}

// arrive checks that the answer to a finished ceremony is a session of p's.
func (p *person) arrive(a testbed.Answer, err error) error {
	if err != nil {
		return err
	}
	claims, err := testbed.Claims(a.Session())
	if err != nil {
		return err
	}
	if claims["sub"] != p.id {
		return fmt.Errorf("%v was signed in, want %s", claims["sub"], p.id)
	}
	return nil
}

// parallel calls do for each number below n, by so many workers at once. It stops at
// the first error, and returns it.
func parallel(ctx context.Context, workers, n int, do func(worker, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var working sync.WaitGroup
	for worker := range workers {
		working.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(worker, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	working.Wait()
	return context.Cause(ctx)
}
