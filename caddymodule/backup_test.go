package caddymodule

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doorward/doorward/directory"
)

// loadBackup runs a server whose directory is in a file of that name, and
// returns the address of its admin API and the base of its site.
func loadBackup(t *testing.T, name string, secrets ...string) (admin, base string) {
	t.Helper()
	admin, base = fmt.Sprintf("localhost:%d", freePort(t)), fmt.Sprintf("http://localhost:%d", freePort(t))
	option := ""
	if len(secrets) > 0 {
		option = "\t\tsecret " + strings.Join(secrets, " ") + "\n"
	}
	err := load(t, "{\n\tadmin "+admin+"\n\tpersist_config off\n\tskip_install_trust\n\tlog {\n\t\toutput discard\n\t}\n"+
		"\tdoorward {\n\t\tdirectory embedded:"+name+"\n"+option+"\t}\n}\n"+base+" {\n\tdoorward\n\trespond ok\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	return admin, base
}

// manyEvents returns an export of n audit records of several kilobytes each:
// much to send that is quickly written.
func manyEvents(n int) []byte {
	counts := fmt.Sprintf(`{"events":%d}`, n)
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"header":{"format":"doorward-export","version":1,"created_at":"2026-02-03T04:05:06.000789Z","counts":%s,"last_event_id":%d}}`+"\n", counts, n)
	note := strings.Repeat("🙂", 512)
	for i := range n {
		fmt.Fprintf(&b, `{"event":{"id":%d,"at":"2026-02-03T04:05:06.000789Z","type":"%s","detail":"%[2]s","client":"%[2]s"}}`+"\n", i+1, note)
	}
	sum := sha256.Sum256(b.Bytes())
	fmt.Fprintf(&b, `{"footer":{"counts":%s,"sha256":"%s"}}`+"\n", counts, base64.RawURLEncoding.EncodeToString(sum[:]))
	return b.Bytes()
}

// kids returns the IDs of the keys that a site publishes.
func kids(t *testing.T, base string) []string {
	t.Helper()
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal([]byte(send(t, client(t), "GET", base+"/doorward/.well-known/jwks.json", "").body), &set); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, k := range set.Keys {
		ids = append(ids, k.Kid)
	}
	slices.Sort(ids)
	return ids
}

func mustRun(t *testing.T, address string, args ...string) string {
	t.Helper()
	output, err := runCommand(address, args...)
	if err != nil {
		t.Fatalf("doorward %s: %v", strings.Join(args, " "), err)
	}
	return output
}

func TestCommandsMoveADirectory(t *testing.T) {
	const oldSecret, newSecret = "an old secret of thirty-two bytes or more", "a new secret of thirty-two bytes or more"
	dataHome(t)
	dir := t.TempDir()
	admin, base := loadBackup(t, filepath.Join(dir, "old.db"), quoted(oldSecret))
	mustRun(t, admin, "users", "add", "ann@example.com", "--name", "Ann", "--group", "staff")
	mustRun(t, admin, "users", "add", "bob@example.com")
	oldKids := kids(t, base)

	file := filepath.Join(dir, "site.export")
	if got := mustRun(t, admin, "export", "--output", file); !strings.Contains(got, "exported 2 users, 0 passkeys, 1 key, 3 events to "+file) {
		t.Errorf("export said %q", got)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file: %v, %v: want mode 0600", info, err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(whole), oldSecret) {
		t.Error("the secret is in the file")
	}
	if _, err := runCommand(admin, "export", "-o", file); err == nil || !strings.Contains(err.Error(), "there already") {
		t.Errorf("a second export to the same file: %v, want that it is there", err)
	}
	if again, err := os.ReadFile(file); err != nil || !bytes.Equal(again, whole) {
		t.Errorf("the refused export changed the file: %v", err)
	}
	mustRun(t, admin, "export", "-o", file, "--force")
	if got := mustRun(t, admin, "export"); !strings.Contains(got, `"ann@example.com"`) || !strings.Contains(got, "exported 2 users") {
		t.Errorf("export to the standard output: %q", got)
	}
	if _, err := runCommand(admin, "import", file); err == nil || err.Error() != "importing: there are users already" {
		t.Errorf("import over users: %v", err)
	}
	wantOnly(t, dir, "site.export", "old.db")

	admin, _ = loadBackup(t, filepath.Join(dir, "new.db"), quoted(newSecret))
	if _, err := runCommand(admin, "import", file); err == nil || !strings.Contains(err.Error(), "behind the one of this: secret {new} {old}") {
		t.Errorf("import without the old secret: %v, want what to do", err)
	}
	if got := mustRun(t, admin, "users", "list"); strings.Contains(got, "example.com") {
		t.Errorf("after the refusal: %s", got)
	}
	admin, base = loadBackup(t, filepath.Join(dir, "new.db"), quoted(newSecret), quoted(oldSecret))
	ownKids := kids(t, base)
	var summary directory.Summary
	if err := json.Unmarshal([]byte(mustRun(t, admin, "import", file, "--json")), &summary); err != nil || summary.Users != 2 || summary.Keys != 1 {
		t.Errorf("import: %+v, %v", summary, err)
	}
	if got := mustRun(t, admin, "users", "show", "ann@example.com"); !strings.Contains(got, "Ann") || !strings.Contains(got, "staff") {
		t.Errorf("ann after the import: %s", got)
	}
	want := append(slices.Clone(oldKids), ownKids...)
	slices.Sort(want)
	if got := kids(t, base); !slices.Equal(got, want) {
		t.Errorf("the keys after the import: %v, want %v: those of the old server and ours", got, want)
	}
	events, err := running(t).directory.Events(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, e := range slices.Backward(events) {
		types = append(types, e.Type)
	}
	if got, want := strings.Join(types, " "), "user_added user_added exported exported imported"; got != want {
		t.Errorf("audit records: %s, want %s", got, want)
	}
}

func quoted(s string) string { return `"` + s + `"` }

// wantOnly fails the test if there are other files in a folder, but those that a
// database has beside it.
func wantOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name, _, _ := strings.Cut(e.Name(), ".db")
		if !slices.Contains(names, e.Name()) && !slices.Contains(names, name+".db") {
			t.Errorf("%s is left behind", e.Name())
		}
	}
}

// Caddy's admin server gives a request ten seconds.
func TestExportAndImportOutlastTheDeadlineOfTheAdminServer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	dataHome(t)
	admin, _ := loadBackup(t, filepath.Join(t.TempDir(), "directory.db"))
	const longer = 11 * time.Second
	content := manyEvents(4000) // more than the sockets in between hold

	slow := io.MultiReader(bytes.NewReader(content[:1000]), pause(longer), bytes.NewReader(content[1000:]))
	response, err := http.Post("http://"+admin+"/doorward/import", "application/jsonl", slow)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("a slow import: status %d, %v: %s", response.StatusCode, err, body)
	}

	if response, err = http.Post("http://"+admin+"/doorward/export", "", nil); err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	summary, err := directory.Verify(io.MultiReader(io.LimitReader(response.Body, 1000), pause(longer), response.Body), nil)
	if err != nil || summary.Events < 4000 {
		t.Errorf("a slow export: %+v, %v", summary, err)
	}
}

// pause is a reader that takes its time and has nothing.
func pause(d time.Duration) io.Reader {
	return readerFunc(func([]byte) (int, error) {
		<-time.After(d)
		return 0, io.EOF
	})
}

// A refusal that is lost because the client is still sending would leave the
// operator with a broken connection.
func TestImportHearsARefusalWhileItSends(t *testing.T) {
	dataHome(t)
	admin, _ := loadBackup(t, filepath.Join(t.TempDir(), "directory.db"))
	mustRun(t, admin, "users", "add", "ann@example.com")
	file := filepath.Join(t.TempDir(), "large.export")
	if err := os.WriteFile(file, manyEvents(4000), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if _, err := runCommand(admin, "import", file); err == nil || err.Error() != "importing: there are users already" {
			t.Errorf("import: %v, want why it is refused", err)
		}
	}
}

func TestAnImportWhoseClientHangsUpLeavesNoTrace(t *testing.T) {
	dataHome(t)
	admin, _ := loadBackup(t, filepath.Join(t.TempDir(), "directory.db"))
	content := manyEvents(100)
	conn, err := net.Dial("tcp", admin)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST /doorward/import HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", admin, len(content), content[:len(content)/2])
	conn.Close()
	mustRun(t, admin, "users", "add", "ann@example.com") // waits for the import to be given up
	events, err := running(t).directory.Events(t.Context(), "", 10)
	if err != nil || len(events) != 1 {
		t.Errorf("%d audit records, %v: want one, of the user", len(events), err)
	}
}

func TestABrokenExportLeavesNoFile(t *testing.T) {
	whole := manyEvents(10)
	cut := whole[:bytes.LastIndexByte(whole[:len(whole)-1], '\n')+1] // all but the last line
	for name, answer := range map[string]http.HandlerFunc{
		"the connection breaks": func(w http.ResponseWriter, _ *http.Request) { w.Write(whole[:5000]); panic(http.ErrAbortHandler) },
		"the last line lacks":   func(w http.ResponseWriter, _ *http.Request) { w.Write(cut) },
		"another answer":        func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) },
		"a failure": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			w.Write([]byte(`{"error":"the directory is away"}`))
		},
	} {
		server := httptest.NewServer(answer)
		dir := t.TempDir()
		file := filepath.Join(dir, "site.export")
		output, err := runCommand(strings.TrimPrefix(server.URL, "http://"), "export", "-o", file)
		if err == nil {
			t.Errorf("%s: no error, and %q", name, output)
		}
		wantOnly(t, dir)
		if err := os.WriteFile(file, []byte("yesterday's"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := runCommand(strings.TrimPrefix(server.URL, "http://"), "export", "-o", file, "--force"); err == nil {
			t.Errorf("%s: with --force: no error", name)
		}
		if content, err := os.ReadFile(file); err != nil || string(content) != "yesterday's" {
			t.Errorf("%s: the file that was there holds %q, %v", name, content, err)
		}
		server.Close()
	}
}

func TestImportOfAFileThatWasCutAsksNoServer(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "site.export")
	if err := os.WriteFile(file, manyEvents(10)[:5000], 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := runCommand(strings.TrimPrefix(server.URL, "http://"), "import", file)
	if err == nil || !strings.HasPrefix(err.Error(), "not a file that can be imported: line") || asked != 0 {
		t.Errorf("import: %v, and the server was asked %d times", err, asked)
	}
	if _, err := runCommand("localhost:1", "import", file+".gone"); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("import of a file that is not there: %v", err)
	}
}

func TestAFileIsReplacedOnlyWhereThatWasAskedFor(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	f, err := createFile(name, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("ours"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte("somebody else's, meanwhile"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.keep(); err == nil {
		t.Error("keep replaced a file that came meanwhile")
	}
	f.discard()
	if got, err := os.ReadFile(name); err != nil || string(got) != "somebody else's, meanwhile" {
		t.Errorf("the file holds %q, %v", got, err)
	}
	wantOnly(t, dir, "file")
	if _, err := createFile(dir, true); err == nil {
		t.Error("createFile would replace a folder")
	}
}

func TestAMeterSpeaksOfLongRunsOnly(t *testing.T) {
	var out bytes.Buffer
	at := time.Unix(0, 0)
	m := newMeter(&out, "importing")
	m.now = func() time.Time { return at }
	m.next = at.Add(meterAfter)
	for range 14 { // seconds
		m.update(at.Unix()*100, 1000)
		m.update(at.Unix()*100, 1000)
		at = at.Add(time.Second)
	}
	m.end()
	want := "importing: 20 %, 200 of 1000 records\nimporting: 70 %, 700 of 1000 records\nimporting: 100 %, 1000 of 1000 records\n"
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
