package logs

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// EvidenceVariable names the environment variable with the folder in which test
// programs leave the logs of their gateways, and what they have seen issued.
const EvidenceVariable = "DOORWARD_EVIDENCE"

const (
	issuedFile = "issued"

	// letterLog ends the names of logs that have letters in them, since their
	// gateways were asked to write them there (mail log): passcodes and addresses
	// are no finding.
	letterLog = ".letters.log"
	plainLog  = ".log"
)

// evidence is what one program leaves.
type evidence struct {
	issued *Issued

	once   sync.Once
	folder string
	err    error

	mu   sync.Mutex
	logs int
}

var left = evidence{issued: &Seen}

// Keep leaves a gateway's log as evidence, if [EvidenceVariable] says so. letters
// tells that the gateway was asked to write letters there.
func Keep(log []byte, letters bool) error {
	parent := os.Getenv(EvidenceVariable)
	if parent == "" {
		return nil
	}
	if err := left.keep(parent, log, letters); err != nil {
		return fmt.Errorf("keeping evidence: %w", err)
	}
	return nil
}

func (e *evidence) keep(parent string, log []byte, letters bool) error {
	e.once.Do(func() { e.err = e.begin(parent) })
	if e.err != nil {
		return e.err
	}
	e.mu.Lock()
	e.logs++
	name := fmt.Sprintf("gateway-%04d", e.logs)
	e.mu.Unlock()
	if letters {
		name += letterLog
	} else {
		name += plainLog
	}
	return os.WriteFile(filepath.Join(e.folder, name), log, 0o600)
}

// begin makes the folder of this program, and the file of what it has seen issued.
func (e *evidence) begin(parent string) (err error) {
	if e.folder, err = os.MkdirTemp(parent, filepath.Base(os.Args[0])+"-"); err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(e.folder, issuedFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	e.issued.copyTo(file) // it stays open as long as the program runs
	return nil
}

// A Program is what one test program has left.
type Program struct {
	Name    string
	Issued  []Secret
	Logs    []string // paths
	Letters []string // paths of those with letters in them
}

// Programs reads the evidence in a folder. One that has logs and no list of what
// was issued is an error.
func Programs(folder string) ([]Program, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var all []Program
	for _, entry := range entries {
		p := Program{Name: entry.Name()}
		inside := filepath.Join(folder, entry.Name())
		if p.Issued, err = readIssued(filepath.Join(inside, issuedFile)); err != nil {
			return nil, err
		}
		err := filepath.WalkDir(inside, func(path string, _ fs.DirEntry, err error) error {
			switch {
			case err != nil:
			case strings.HasSuffix(path, letterLog):
				p.Letters = append(p.Letters, path)
			case strings.HasSuffix(path, plainLog):
				p.Logs = append(p.Logs, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, errors.New("no evidence in " + folder)
	}
	return all, nil
}

func readIssued(path string) ([]Secret, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var all []Secret
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var secret Secret
		if err := json.Unmarshal(lines.Bytes(), &secret); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, secret)
	}
	return all, lines.Err()
}
