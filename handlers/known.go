package handlers

import (
	"context"
	"errors"
	"net/http"

	"github.com/doorward/doorward/ceremony"
)

// remember marks the browser of a request as one in which a user has signed in:
// for as long as the mark is good, strangers cannot spend the budgets of what the
// user does there to sign in again. It lasts longer than any session, and says
// nothing about who sits in front of the browser.
func (h *Handlers) remember(w http.ResponseWriter, r *request, userID string) {
	h.mark(w, h.o.Passcodes.Browsers().Add(h.marks(r), userID))
}

// disown takes the mark of a user who is gone from the browser.
func (h *Handlers) disown(w http.ResponseWriter, r *request, userID string) {
	if marks := h.marks(r); marks != "" {
		h.mark(w, h.o.Passcodes.Browsers().Remove(marks, userID))
	}
}

func (h *Handlers) mark(w http.ResponseWriter, marks string) {
	if marks == "" {
		h.o.Cookie.ClearBeside(w, cookieKnown)
		return
	}
	h.o.Cookie.SetBeside(w, cookieKnown, marks, ceremony.KnownLifetime)
}

// marks returns what the browser of a request is known by.
func (h *Handlers) marks(r *request) string { return h.o.Cookie.Beside(r.Request, cookieKnown) }

// finalize ends a passcode ceremony. That somebody goes on guessing is told to the
// operator, once for each budget that is spent, in the log alone: to write a record
// takes so long that it would tell that there is an account. The visitor is told what
// they are told of any wrong passcode.
func (h *Handlers) finalize(r *request, c ceremony.Client, answer ceremony.Answer) (ceremony.SignIn, error) {
	in, err := h.o.Passcodes.Finalize(r.Context(), r.site, door{h.o.Policy}, c, answer)
	var guessing *ceremony.GuessingError
	if !errors.As(err, &guessing) {
		return in, err
	}
	where := "elsewhere"
	if guessing.Known {
		where = "known browser"
	}
	h.logger().Warn("passcodes are being guessed: no more are looked at for now", "user", guessing.UserID, "where", where, "client", h.o.ClientAddress(r.Request))
	return in, guessing.Unwrap()
}

// forgetUser removes what the store keeps of a user who is gone. If it cannot, all
// of it expires by itself.
func (h *Handlers) forgetUser(ctx context.Context, userID string) {
	ctx = context.WithoutCancel(ctx)
	err := errors.Join(h.o.Accounts.Forget(ctx, userID), h.o.Passcodes.Forget(ctx, userID), h.o.Passkeys.Forget(ctx, userID))
	if err != nil {
		h.logger().Error("what is kept of a deleted user is left to expire", "user", userID, "error", err.Error())
	}
}
