package ceremony

import (
	"time"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/mail"
)

// notices writes to people about changes to their accounts.
type notices struct {
	letters *mail.Letters
	outbox  Outbox
	now     func() time.Time
}

// tell tells whoever reads the mail of an address. What has been changed stays
// changed if the letter cannot be sent; the outbox says so in the log.
func (n notices) tell(site Site, c Client, to directory.Address, kind mail.NoticeKind, subject string) {
	letter, err := n.letters.Notice(string(to), c.Language, mail.Notice{
		Kind: kind, Subject: subject, Site: site.Host, Client: c.Agent, At: n.now(), AccountURL: site.AccountURL,
	})
	if err == nil {
		_ = n.outbox.Post(letter)
	}
}

// tellUser tells a user at their primary address.
func (n notices) tellUser(site Site, c Client, user directory.User, kind mail.NoticeKind, subject string) {
	if primary, ok := user.Primary(); ok {
		n.tell(site, c, primary.Address, kind, subject)
	}
}
