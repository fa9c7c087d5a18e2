package main

import (
	"fmt"
	"time"

	"github.com/doorward/doorward/mail"
)

// A letter is one to take a picture of.
type letter struct{ name, html string }

// letters returns a letter with a passcode and one about a change to an account.
func letters(language string) ([]letter, error) {
	writer, err := mail.NewLetters(mail.LettersOptions{Name: "Example"})
	if err != nil {
		return nil, err
	}
	const to, site, client = "ann@example.com", "app.example.com", "Chrome on Linux"
	at := time.Date(2026, time.March, 3, 9, 41, 0, 0, time.UTC)
	passcode, err := writer.Passcode(to, language, mail.Passcode{
		Code: "482913", Lifetime: 5 * time.Minute, Site: site, Client: client, At: at,
	})
	if err != nil {
		return nil, fmt.Errorf("writing the letter with a passcode: %w", err)
	}
	notice, err := writer.Notice(to, language, mail.Notice{
		Kind: mail.PasskeyAdded, Subject: "Ann’s laptop", Site: site, Client: client, At: at, AccountURL: "https://app.example.com/doorward/account",
	})
	if err != nil {
		return nil, fmt.Errorf("writing the letter about a passkey: %w", err)
	}
	return []letter{{"letter-passcode", passcode.HTML}, {"letter-passkey-added", notice.HTML}}, nil
}
