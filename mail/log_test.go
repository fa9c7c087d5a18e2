package mail_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/doorward/doorward/mail"
)

func TestLogHasTheWholeLetter(t *testing.T) {
	var log bytes.Buffer
	s := mail.NewLog(slog.New(slog.NewTextHandler(&log, nil)))
	if err := s.Send(t.Context(), writePasscode(t, passcode, "")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"level=INFO", "ann@example.com", "402816", "Firefox on Linux"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log lacks %q:\n%s", want, &log)
		}
	}
}
