package caddymodule

import (
	"io"
	"net/http"
	"time"
)

// Caddy's admin server gives a request ten seconds to be read, which is too short
// for a large file, and an answer all the time in the world, which is too long for
// a client that has vanished. What follows sets deadlines that are put off as long
// as bytes come or go. A writer that can have none goes without.

// A steadyWriter writes an answer for as long as the client takes it.
type steadyWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func newSteadyWriter(w http.ResponseWriter) *steadyWriter {
	return &steadyWriter{w: w, control: http.NewResponseController(w)}
}

func (s *steadyWriter) Write(p []byte) (int, error) {
	if !s.begun {
		s.begun = true
		s.w.Header().Set("Content-Type", "application/jsonl")
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(stallTimeout))
	return s.w.Write(p)
}

// done takes the deadline away, which the connection would keep for its next
// request.
func (s *steadyWriter) done() { _ = s.control.SetWriteDeadline(time.Time{}) }

// A steadyReader reads the body of a request for as long as the client sends it.
type steadyReader struct {
	r       io.Reader
	control *http.ResponseController
}

func newSteadyReader(w http.ResponseWriter, body io.Reader) *steadyReader {
	return &steadyReader{body, http.NewResponseController(w)}
}

func (s *steadyReader) Read(p []byte) (int, error) {
	_ = s.control.SetReadDeadline(time.Now().Add(stallTimeout))
	n, err := s.r.Read(p)
	if err == io.EOF {
		// From here on the server waits for the client to hang up, and takes a
		// deadline that passes for that.
		_ = s.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
