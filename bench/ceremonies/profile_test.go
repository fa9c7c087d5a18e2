package ceremonies

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// profile has the gateway write down where it spends its processor time, and where it
// allocates, for some seconds from now on, if the flag says so. stop waits for that, so
// that it has a turn to itself. Turns that are shorter are profiled with what comes
// after them.
func (u turn) profile(t *testing.T) (stop func()) {
	t.Helper()
	if *profiles == "" {
		return func() {}
	}
	var writing sync.WaitGroup
	for _, kind := range []string{"profile", "allocs"} {
		writing.Go(func() {
			if err := u.writeProfile(kind); err != nil {
				t.Errorf("%v: writing a profile: %v", u, err)
			}
		})
	}
	return writing.Wait
}

func (u turn) writeProfile(kind string) error {
	response, err := http.Get("http://" + u.site.gateway.AdminAddr + "/debug/pprof/" + kind + "?seconds=3")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	name := strings.NewReplacer(", ", "-", " ", "-").Replace(u.String()) + "." + kind + ".pprof"
	file, err := os.Create(filepath.Join(*profiles, name))
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, response.Body); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
