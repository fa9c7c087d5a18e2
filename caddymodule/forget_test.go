package caddymodule

import (
	"fmt"
	"net/http"
	"testing"
)

// T163: a user whom an operator removes leaves as little as one who goes.
func TestRemovedUserLeavesNothingThatTheyWereDoing(t *testing.T) {
	dataHome(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	if err := load(t, fmt.Sprintf("{%s\n\tdoorward {\n\t\tmail log\n\t}\n}\n%s {\n\tdoorward {\n\t\tallow *@example.com\n\t}\n}\n", quiet, base)); err != nil {
		t.Fatal(err)
	}
	app := running(t)
	bearer := "Bearer " + signIn(t, app, "ann@example.com", base)
	ann, err := app.operator().find(t.Context(), "ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	got := send(t, client(t), "POST", base+"/doorward/emails", `{"address":"ann@example.org"}`, "Content-Type", "application/json", "Authorization", bearer)
	if got.status != http.StatusOK {
		t.Fatalf("adding an address: status %d: %s", got.status, got.body)
	}
	adding := func() []string {
		ids, err := app.store.Members(t.Context(), "addresses/"+ann.ID)
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	if ids := adding(); len(ids) != 1 {
		t.Fatalf("addresses that Ann adds: %q, want one", ids)
	}
	if err := app.operator().remove(t.Context(), ann.ID); err != nil {
		t.Fatal(err)
	}
	if ids := adding(); len(ids) != 0 {
		t.Errorf("after users remove: %q, want none", ids)
	}
}
