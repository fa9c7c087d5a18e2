package directory_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// The examples in the documentation of the format are, one after the other, a
// file that can be imported.
func TestTheDocumentedFileCanBeImported(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "export.md"))
	if err != nil {
		t.Fatal(err)
	}
	var documented bytes.Buffer
	for _, example := range regexp.MustCompile("(?m)^```json\n((?s).*?)^```$").FindAllSubmatch(text, -1) {
		documented.Write(example[1])
	}
	d := openSQLite(t, filepath.Join(t.TempDir(), "directory.db"), time.Now)
	importFile(t, d, documented.Bytes())
	wantLines(t, "what was imported", export(t, d), documented.Bytes())
	if n := len(decodeLines(t, documented.Bytes())); n != 3 {
		t.Errorf("%d examples between header and footer, want a key, a user and an event", n)
	}
}
