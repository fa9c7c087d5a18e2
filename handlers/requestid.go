package handlers

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
)

type requestIDKey struct{}

// identified gives a request an ID, which the answer names in X-Request-Id and
// the log with what went wrong. An ID that the client sends does not count: it
// could be another request's.
func identified(w http.ResponseWriter, r *http.Request) *http.Request {
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	id := hex.EncodeToString(random[:])
	w.Header().Set("X-Request-Id", id)
	return r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
}

// requestID returns the ID that identified gave a request.
func requestID(r *http.Request) string {
	id, _ := r.Context().Value(requestIDKey{}).(string)
	return id
}
