package caddymodule

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A wrong URL is shown to nobody: what is wrong with it is often the password.
func TestNoErrorHasThePasswordInIt(t *testing.T) {
	const password = "hunter2hunter2"
	lines := []string{
		"store redis://door:%s@",
		"store redis://door:%s@localhost:port",
		"store redis://door:%s@localhost:6379/door",
		"store redis://door:%s@localhost?db=1",
		"store redis://door:%s@localhost#0",
		"store redis://door:1/%s@localhost",
		"store redis://door:1?%s@localhost",
		"store redis://door:1#%s@localhost",
		"store redis://door:50%%%s@localhost",
		"store redis://door:a{%s}@localhost",
		"store redis://door:[%s@localhost",
		"store redis:door:%s@localhost",
		"store door:%s@localhost",
		"store %s",
		"store memcached://door:%s@localhost",
		"store postgres://door:%s@localhost",
		"store unix://door:%s@localhost/run/redis.sock",
		"store redis+sentinel://door:%s@s1,s2",
		"store redis+sentinel://door:%s@s1:x,s2/door",
		"store redis+cluster://door:%s@r1,r2/1",
		"store redis+cluster://door:%s@,",
		"store embedded redis://door:%s@localhost",
		"store redis://localhost redis://door:%s@localhost",
		"store redis://door:%s@localhost {\n password %[1]s\n}",
		"store redis://localhost {\n password 1 %s\n}",
		"store redis://localhost {\n user door\n password %s\n sentinel_password x\n}",
		"store redis://localhost {\n sentinel_password %s\n}",
		"store redis+sentinel://s1/door {\n sentinel_password 1 %s\n}",
		"store redis://door:%s@localhost {\n tls {\n  server_name x\n }\n}",
		"store rediss://door:%s@localhost {\n tls {\n  ca /does/not/exist.pem\n }\n}",
		"store embedded {\n password %s\n}",
		"directory postgres://door:%s@localhost:port/doorward",
		"directory postgres://door:1/%s@localhost/doorward",
		"directory postgres://door:1?%s@localhost/doorward",
		"directory postgres://door:1#%s@localhost/doorward",
		"directory postgres://door:50%%%s@localhost/doorward",
		"directory postgres://door:%s@localhost/doorward?sslmode=maybe",
		"directory postgres://door:%s@localhost/doorward?sslrootcert=/does/not/exist.pem&sslmode=verify-full",
		"directory postgres://door:%s@localhost/doorward?connect_timeout=soon",
		"directory postgres://localhost/doorward?password=%s&sslmode=maybe",
		"directory postgres://localhost/doorward?password=%s&port=x",
		"directory postgres://localhost/doorward?user=%%zz&password=%s",
		"directory \"host=localhost password=%s\"",
		"directory mysql://door:%s@localhost/doorward",
		"directory redis://door:%s@localhost",
		"directory %s",
		"directory embedded postgres://door:%s@localhost/doorward",
		"directory postgres://door:%s@localhost/doorward {\n password %[1]s\n}",
		"directory postgres://localhost/doorward {\n password 1 %s\n}",
		"directory embedded {\n password %s\n}",
		"mail log smtp://door:%s@localhost",
	}
	t.Setenv("PGSSLROOTCERT", "")
	for _, line := range lines {
		for _, way := range []struct{ name, value string }{{"as it is", password}, {"from the environment", "{env.DOORWARD_TEST_PASSWORD}"}} {
			t.Run(way.name+": "+line, func(t *testing.T) {
				dataHome(t)
				t.Setenv("DOORWARD_TEST_PASSWORD", password)
				config, err := adapt("{\n\tdoorward {\n\t\tsecret " + strings.Repeat("x", 32) + "\n" + fmt.Sprintf(line, way.value) + "\n\t}\n}\napp.example.com {\n\tdoorward\n}\n")
				if err == nil {
					err = validate(config)
				}
				if err == nil {
					t.Fatal("it is not refused")
				}
				if strings.Contains(err.Error(), password) {
					t.Errorf("the error has the password in it: %v", err)
				}
			})
		}
	}
}

// Where a server cannot be reached, the error is one of the network.
func TestNoErrorOfAStartHasThePasswordInIt(t *testing.T) {
	const password = "hunter2hunter2"
	port := freePort(t)
	for _, line := range []string{
		"store redis://door:%s@localhost:%d",
		"store redis+sentinel://door:%s@localhost:%d/door",
		"store redis+cluster://door:%s@localhost:%d",
		"directory postgres://door:%s@localhost:%d/doorward?connect_timeout=1",
	} {
		t.Run(line, func(t *testing.T) {
			dataHome(t)
			options := fmt.Sprintf(line, password, port)
			began := time.Now()
			err := load(t, "{"+quiet+"\n\tdoorward {\n\t\tsecret "+strings.Repeat("x", 32)+"\n\t\t"+options+"\n\t}\n}\nhttp://localhost:"+fmt.Sprint(freePort(t))+" {\n\tdoorward\n}\n")
			if err == nil || strings.Contains(err.Error(), password) {
				t.Errorf("load: %v, want an error without the password", err)
			}
			if took := time.Since(began); took > startTimeout+5*time.Second {
				t.Errorf("it took %v to find out", took)
			}
			if keys := pooled(); len(keys) > 0 {
				t.Errorf("left in the pool: %q", keys)
			}
		})
	}
}

func TestValidateConnectsNowhere(t *testing.T) {
	dataHome(t)
	goldenSecrets(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	address := listener.Addr().String()
	for _, store := range []string{"redis://" + address, "rediss://" + address, "redis+sentinel://" + address + "/door", "redis+cluster://" + address} {
		config, err := adapt("{\n\tdoorward {\n\t\tsecret {env.DOORWARD_SECRET}\n\t\tstore " + store + "\n\t\tdirectory postgres://" + address + "/doorward\n\t}\n}\napp.example.com {\n\tdoorward\n}\n")
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(config); err != nil {
			t.Error(err)
		}
	}
	// A connection that was made waits at the listener.
	if err := listener.(*net.TCPListener).SetDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if conn, err := listener.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("somebody connected: %v, error %v", conn, err)
	}
	if keys := pooled(); len(keys) > 0 {
		t.Errorf("left in the pool: %q", keys)
	}
}

// A reload that changes nothing keeps the connections, and one that changes how
// they are made gets its own.
func TestReloadSharesTheConnectionsThatItDoesNotChange(t *testing.T) {
	dataHome(t)
	goldenSecrets(t)
	of := func(store, directory string) *App {
		t.Helper()
		return provisionCaddyfile(t, "{\n\tdoorward {\n\t\tsecret {env.DOORWARD_SECRET}\n\t\tstore redis://localhost {\n\t\t\tpool_size 3\n"+store+"\n\t\t}\n\t\tdirectory postgres://localhost/doorward {\n\t\t\tuser door\n"+directory+"\n\t\t}\n\t}\n}\nhttp://localhost {\n\tdoorward\n}\n")
	}
	before := of("timeout 1s", "max_connections 4")
	same := of("timeout 1s", "max_connections 4")
	if same.store != before.store || same.directory != before.directory {
		t.Error("a configuration that is the same has other connections")
	}
	other := of("timeout 2s", "max_connections 4")
	if other.store == before.store || other.directory != before.directory {
		t.Error("with another time-out of the store: the store is the same, or the directory another one")
	}
	other = of("timeout 1s", "max_connections 5")
	if other.store != before.store || other.directory == before.directory {
		t.Error("with more connections of the directory: the directory is the same, or the store another one")
	}
	t.Setenv("REDIS_PASSWORD", "changed")
	if one, two := of("timeout 1s\npassword {env.REDIS_PASSWORD}", ""), before; one.store == two.store {
		t.Error("with a password the store is the same")
	}
}

// Somebody who shares half of the state has not finished, or has one node.
func TestHalfSharedStateIsToldInTheLog(t *testing.T) {
	const (
		redis    = "store redis://localhost\n"
		postgres = "directory postgres://localhost/doorward\n"
	)
	for _, tt := range []struct{ name, options, want string }{
		{"neither", "", ""},
		{"both", redis + postgres, ""},
		{"the store", redis, "need a directory in PostgreSQL"},
		{"the directory", postgres, "need a store in Redis"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := filepath.Join(dataHome(t), "log")
			config, err := adapt("{\n\tlog {\n\t\toutput file " + log + "\n\t}\n\tdoorward {\n\t\tsecret " + strings.Repeat("x", 32) + "\n" + tt.options + "\n\t}\n}\napp.example.com {\n\tdoorward\n}\n")
			if err != nil {
				t.Fatal(err)
			}
			if err := validate(config); err != nil {
				t.Fatal(err)
			}
			content := read(t, log)
			for _, warning := range []string{"need a directory in PostgreSQL", "need a store in Redis"} {
				want := 0
				if warning == tt.want {
					want = 1
				}
				if got := strings.Count(content, warning); got != want {
					t.Errorf("the log has %q %d times, want %d:\n%s", warning, got, want, content)
				}
			}
		})
	}
}
