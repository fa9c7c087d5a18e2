package caddymodule

import (
	"fmt"
	"net/http"
	"testing"
)

// A door that does not guard a request takes our cookies out of it; the one behind
// it, which refuses the request, takes the cookie back from the browser all the same.
func TestLastDoorTakesADeadCookieBack(t *testing.T) {
	dataHome(t)
	app, requests := startUpstream(t)
	base := fmt.Sprintf("http://localhost:%d", freePort(t))
	err := load(t, "{"+quiet+"}\n"+base+` {
	@admin path /admin/*
	doorward @admin {
		allow group:admins
	}
	doorward {
		allow *@example.com
	}
	reverse_proxy `+app+`
}
`)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/admin/"} {
		request, err := http.NewRequest("GET", base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.AddCookie(&http.Cookie{Name: "doorward", Value: "garbage"})
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		cleared := false
		for _, c := range response.Cookies() {
			cleared = cleared || c.Name == "doorward" && c.MaxAge < 0
		}
		if response.StatusCode != http.StatusUnauthorized || !cleared {
			t.Errorf("%s with a cookie that is no good: status %d, cookie taken back is %v; want 401, true", path, response.StatusCode, cleared)
		}
	}
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests reached the app", n)
	}
}
