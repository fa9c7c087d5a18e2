package enumeration

import (
	"fmt"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/doorward/doorward/directory"
	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/mail/mailtest"
)

// A house is a gateway, and the people whom it may know.
type house struct {
	gateway *testbed.Gateway
	box     *mailtest.Mailbox
}

// settings is how a house is configured.
type settings struct {
	global string // in the global option doorward
	door   string // in the directive; default: everybody at example.com may pass
	state  string // directory and store; default: both embedded
	mail   string // URL of a mail server; default: that of a mailbox
}

// openHouse starts a gateway after move has filled its directory.
func openHouse(t testing.TB, s settings, move func(*directory.Directory)) *house {
	t.Helper()
	box := mailtest.Start(t, mailtest.Options{})
	if s.mail == "" {
		s.mail = box.URL()
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "people.db")
	if s.state == "" {
		s.state = "directory embedded:" + path
		people := directory.NewSQLite(directory.SQLiteOptions{Path: path})
		fill(t, people, move)
	}
	if s.door == "" {
		s.door = "allow *@example.com"
	}
	return &house{box: box, gateway: testbed.Start(t, testbed.Options{Dir: dir, Host: "127.0.0.1", Caddyfile: `{
	doorward {
		mail ` + s.mail + ` {
			from "Doorward <door@example.com>"
		}
		` + s.state + `
		` + s.global + `
	}
}
http://localhost:$PORT {
	bind $HOST
	doorward {
		` + s.door + `
	}
	respond "the app"
}
`})}
}

// fill has people move into a directory that nobody else has opened.
func fill(t testing.TB, people *directory.Directory, move func(*directory.Directory)) {
	t.Helper()
	if err := people.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	move(people)
	if err := people.Close(); err != nil {
		t.Fatal(err)
	}
}

// sources counts the addresses of this machine that strangers have come from.
var sources atomic.Uint32

// source returns an address that no stranger has come from, so that they have
// spent no budget of a network: the whole of 127.0.0.0/8 is this machine.
func source() net.IP {
	n := sources.Add(1)
	return net.IPv4(127, byte(16+n>>16), byte(n>>8), byte(n))
}

// check fails a test whose preparations fail.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// addresses counts those that were made up.
var addresses atomic.Uint32

// address returns one that nobody has asked for yet. All are of one length, since
// every answer that repeats one would differ by it.
func address(domain string) directory.Address {
	return directory.Address(fmt.Sprintf("p%06d@%s", addresses.Add(1), domain))
}
