package directory_test

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/doorward/doorward/directory"
)

func TestEventsComeNewestFirst(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		alice, bob := createUser(t, d, "alice@example.com"), createUser(t, d, "bob@example.com")
		first := directory.Event{At: epoch, Type: "sign-in", UserID: alice.ID, Detail: "by passcode", Client: "Firefox"}
		for _, e := range []directory.Event{first, {Type: "sign-in", UserID: bob.ID}, {Type: "sign-out", UserID: alice.ID}, {Type: "refused"}} {
			if err := d.Record(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		types := func(userID string, limit int) string {
			t.Helper()
			events, err := d.Events(t.Context(), userID, limit)
			if err != nil {
				t.Fatal(err)
			}
			var types []string
			for i, e := range events {
				types = append(types, e.Type)
				if e.At.IsZero() || i > 0 && e.ID >= events[i-1].ID {
					t.Errorf("got %+v", events)
				}
			}
			return strings.Join(types, " ")
		}
		for _, tt := range []struct {
			userID string
			limit  int
			want   string
		}{
			{"", 10, "refused sign-out sign-in sign-in"},
			{"", 2, "refused sign-out"},
			{"", 0, ""},
			{"", -1, ""},
			{alice.ID, 10, "sign-out sign-in"},
			{alice.ID, 1, "sign-out"},
			{"nobody", 10, ""},
		} {
			if got := types(tt.userID, tt.limit); got != tt.want {
				t.Errorf("Events(%q, %d): got %q, want %q", tt.userID, tt.limit, got, tt.want)
			}
		}

		events, err := d.Events(t.Context(), alice.ID, 10)
		if err != nil {
			t.Fatal(err)
		}
		first.ID = events[1].ID
		if got := events[1]; !reflect.DeepEqual(got, first) {
			t.Errorf("got %+v, want %+v", got, first)
		}
	})
}

// A client must not be able to keep itself out of the audit records, nor to
// write a second line into them, by what it calls itself.
func TestAStrangeClientIsRecordedAllTheSame(t *testing.T) {
	onEach(t, func(t *testing.T, open opener) {
		d := open(t)
		clients := []string{
			"curl\x00/8", "curl\r\nsign-in alice", "\xff\xfe", "\u202eresworb", strings.Repeat("é", 100_000),
		}
		for _, c := range clients {
			if err := d.Record(t.Context(), directory.Event{Type: "refused", Client: c}); err != nil {
				t.Errorf("Record: %v", err)
			}
		}
		events, err := d.Events(t.Context(), "", 10)
		if err != nil || len(events) != len(clients) {
			t.Fatalf("got %d records, %v, want %d", len(events), err, len(clients))
		}
		for _, e := range events {
			if !utf8.ValidString(e.Client) || e.Client == "" || utf8.RuneCountInString(e.Client) > 512 || strings.ContainsAny(e.Client, "\x00\r\n\u202e") {
				t.Errorf("got client %q", e.Client)
			}
		}
	})
}
