package flood

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/doorward/doorward/integration/testbed"
	"github.com/doorward/doorward/store/storetest"
)

// secretText is what all keys of a node are derived from.
const secretText = "5JpXy9vmC3WZ1uQn8TgkRb7dLhFs0aEo"

// sessionLifetime lets no session expire while others are measured.
const sessionLifetime = 12 * time.Hour

// A node is a gateway and its store.
type node struct {
	*testbed.Gateway
	t     *testing.T
	redis *storetest.Redis // nil if the store is embedded
}

// newNode starts a gateway for members of example.com that counts what Caddy
// counts, and believes its clients where they come from. more is for its global
// option.
func newNode(t *testing.T, redis *storetest.Redis, more string) *node {
	t.Helper()
	where := "embedded:$DIR/store.db"
	if redis != nil {
		// A machine that is busy with a flood for more than a second is not to end it.
		where = redis.URL() + " {\n timeout 10s\n pool_timeout 10s\n}"
	}
	g := testbed.Start(t, testbed.Options{Quiet: true, Caddyfile: `{
	` + testbed.TrustPrograms + `
	log {
		level WARN
	}
	metrics {
		per_host
	}
	doorward {
		secret ` + secretText + `
		store ` + where + `
		directory embedded:$DIR/directory.db
		mail log
		session {
			lifetime ` + sessionLifetime.String() + `
			idle ` + sessionLifetime.String() + `
		}
		` + more + `
	}
}
http://localhost:$PORT {
	bind $HOST
	doorward {
		allow *@example.com
	}
	respond "{http.auth.user.email}"
}
`})
	return &node{g, t, redis}
}

// look looks at what the node holds when sent requests of a flood are over.
func (n *node) look(sent int) look {
	n.t.Helper()
	l := look{sent: sent, heap: n.heap(), vitals: n.Vitals()}
	if n.redis == nil {
		l.store = n.onDisk()
	} else {
		l.store = n.redisNumber("used_memory") - n.redisNumber("mem_clients_normal")
		l.keys = n.redis.Must("DBSIZE").(int64)
	}
	return l
}

var heapAlloc = regexp.MustCompile(`(?m)^# HeapAlloc = ([0-9]+)$`)

// heap returns the bytes of memory that the gateway uses, garbage not counted: the
// least of a few looks, since what answers the look is part of it.
func (n *node) heap() (least int64) {
	n.t.Helper()
	n.admin("/debug/pprof/heap?gc=1") // what is pooled goes with the second collection
	for range 3 {
		found := heapAlloc.FindStringSubmatch(n.admin("/debug/pprof/heap?gc=1&debug=1"))
		if found == nil {
			n.t.Fatal("the heap profile does not say how large the heap is")
		}
		bytes, err := strconv.ParseInt(found[1], 10, 64)
		if err != nil {
			n.t.Fatal(err)
		}
		if least == 0 || bytes < least {
			least = bytes
		}
	}
	return least
}

// series returns how many time series the node's metrics have.
func (n *node) series() (count int) {
	n.t.Helper()
	for line := range strings.Lines(n.admin("/metrics")) {
		if !strings.HasPrefix(line, "#") {
			count++
		}
	}
	return count
}

func (n *node) admin(path string) string {
	n.t.Helper()
	response, err := http.Get("http://" + n.AdminAddr + path)
	if err != nil {
		n.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		n.t.Fatalf("%s: status %d, %v", path, response.StatusCode, err)
	}
	return string(content)
}

// onDisk returns the bytes of the embedded store's files. What waits in SQLite's log is
// moved to the database first: how long the log grows depends on how many writes there
// are to a commit.
func (n *node) onDisk() (sum int64) {
	n.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(n.Dir, "store.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		n.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		n.t.Fatalf("moving what is in the log of the store: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(n.Dir, "store.db*"))
	if err != nil || len(files) == 0 {
		n.t.Fatalf("the store has no files: %v", err)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			n.t.Fatal(err)
		}
		sum += info.Size()
	}
	return sum
}

// redisNumber returns a field of Redis's INFO memory.
func (n *node) redisNumber(field string) int64 {
	n.t.Helper()
	text, _ := n.redis.Must("INFO", "memory").(string)
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			number, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if err != nil {
				n.t.Fatal(err)
			}
			return number
		}
	}
	n.t.Fatalf("INFO memory of Redis has no %s", field)
	return 0
}

// longest returns how long the key of Redis lives that lives longest, and its name.
// One that lives for ever fails the test.
func (n *node) longest() (name string, lives time.Duration) {
	n.t.Helper()
	cursor := "0"
	for {
		page, _ := n.redis.Must("SCAN", cursor, "COUNT", "1000").([]any)
		if len(page) != 2 {
			n.t.Fatalf("SCAN of Redis = %v", page)
		}
		keys, _ := page[1].([]any)
		for _, key := range keys {
			left, _ := n.redis.Must("PTTL", fmt.Sprint(key)).(int64)
			if left == -1 {
				n.t.Fatalf("%v never expires", key)
			}
			if d := time.Duration(left) * time.Millisecond; d > lives {
				name, lives = fmt.Sprint(key), d
			}
		}
		if cursor = fmt.Sprint(page[0]); cursor == "0" {
			return name, lives
		}
	}
}

// kid returns the ID of the key that the node signs with.
func (n *node) kid() string {
	n.t.Helper()
	a := testbed.NewClient(n.t, n.URL).Do("GET", "/doorward/.well-known/jwks.json", "")
	var set struct {
		Keys []struct {
			ID string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.Unmarshal([]byte(a.Body), &set); err != nil || len(set.Keys) == 0 {
		n.t.Fatalf("the node publishes no keys: %v: %s", err, a.Body)
	}
	return set.Keys[0].ID
}
