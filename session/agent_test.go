package session_test

import (
	"testing"

	"github.com/doorward/doorward/session"
)

func TestAgentIsDescribedForItsOwner(t *testing.T) {
	for want, agents := range map[string][]string{
		"Firefox on Linux": {
			"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
			"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
		},
		"Firefox on Windows": {"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"},
		"Firefox on Android": {"Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"},
		"Firefox on iPhone": {
			"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/140.0 Mobile/15E148 Safari/605.1.15",
		},
		"Chrome on Windows":  {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36"},
		"Chrome on macOS":    {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36"},
		"Chrome on ChromeOS": {"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36"},
		"Chrome on Android":  {"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36"},
		"Chrome on iPad": {
			"Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/138.0.7204.33 Mobile/15E148 Safari/604.1",
		},
		"Safari on macOS": {"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15"},
		"Safari on iPhone": {
			"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
		},
		"Edge on Windows": {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0"},
		"Edge on Android": {"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36 EdgA/138.0.0.0"},
		"Opera on Linux":  {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 OPR/120.0.0.0"},
		"curl":            {"curl/8.5.0"},
		"Android app":     {"okhttp/4.12.0"},
		"Apple app":       {"Shop/7 CFNetwork/3826.500.131 Darwin/24.5.0"},
		"iPad":            {"Shop/7 (iPad; iOS 18.5)"},
		"":                {"", "-", "Shop/7", "\x00\xff", "mozilla"},
	} {
		for _, agent := range agents {
			if got := session.DescribeAgent(agent); got != want {
				t.Errorf("DescribeAgent(%q) = %q, want %q", agent, got, want)
			}
		}
	}
}

// The description is shown to people: nothing of a stranger's header is in it.
func TestDescriptionHasNothingOfTheHeaderInIt(t *testing.T) {
	got := session.DescribeAgent("<script>alert(1)</script> Firefox/140.0 Linux\r\nX: y")
	if want := "Firefox on Linux"; got != want {
		t.Errorf("DescribeAgent = %q, want %q", got, want)
	}
}
