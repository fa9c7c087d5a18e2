package caddymodule

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/doorward/doorward/ceremony"
	"github.com/doorward/doorward/directory"
)

func init() { caddy.RegisterModule(new(adminAPI)) }

// adminAPI is what operators ask of a running server, below /doorward/ of
// Caddy's admin endpoint. That endpoint is for whoever runs the server, and
// Caddy guards it; none of this is reachable through a site.
type adminAPI struct{}

// CaddyModule implements caddy.Module.
func (*adminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.doorward", New: func() caddy.Module { return new(adminAPI) }}
}

// Routes implements caddy.AdminRouter.
func (*adminAPI) Routes() []caddy.AdminRoute {
	mux := http.NewServeMux()
	for pattern, serve := range map[string]adminEndpoint{
		"GET /doorward/users":                        listUsers,
		"POST /doorward/users":                       addUser,
		"GET /doorward/users/{who}":                  showUser,
		"DELETE /doorward/users/{who}":               removeUser,
		"POST /doorward/users/{who}/disable":         disableUser,
		"POST /doorward/users/{who}/enable":          enableUser,
		"POST /doorward/users/{who}/unlock":          unlockUser,
		"PUT /doorward/users/{who}/groups":           setUserGroups,
		"GET /doorward/users/{who}/sessions":         listSessions,
		"DELETE /doorward/users/{who}/sessions":      endSessions,
		"DELETE /doorward/users/{who}/sessions/{id}": endSession,
		"GET /doorward/keys":                         listKeys,
		"POST /doorward/keys/rotate":                 rotateKeys,
		"POST /doorward/keys/reseal":                 resealKeys,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { serve.serve(w, r) })
	}
	mux.HandleFunc("POST /doorward/export", serveExport)
	mux.HandleFunc("POST /doorward/import", serveImport)
	handler := caddy.AdminHandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if _, pattern := mux.Handler(r); pattern == "" {
			return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errors.New("no such endpoint")}
		}
		mux.ServeHTTP(w, r)
		return nil
	})
	return []caddy.AdminRoute{{Pattern: "/doorward/", Handler: handler}}
}

// An adminEndpoint does what a request asks and returns the answer.
type adminEndpoint func(o operator, r *http.Request) (any, error)

func (serve adminEndpoint) serve(w http.ResponseWriter, r *http.Request) {
	body, err := serve.answer(r)
	writeAdmin(w, body, err)
}

// writeAdmin answers with body, or with the error if there is one.
func writeAdmin(w http.ResponseWriter, body any, err error) {
	status := http.StatusOK
	if err != nil {
		status, body = adminStatus(err), adminError{err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that hung up needs no answer
}

type adminError struct {
	Error string `json:"error"`
}

func (serve adminEndpoint) answer(r *http.Request) (any, error) {
	app, err := runningApp()
	if err != nil {
		return nil, err
	}
	return serve(app.operator(), r)
}

// runningApp returns the app of the configuration that runs, or errNoDoor.
func runningApp() (*App, error) {
	app, err := caddy.ActiveContext().AppIfConfigured("doorward")
	if err != nil {
		return nil, errNoDoor
	}
	return app.(*App), nil
}

// errNoDoor: Caddy runs, but no site has a door.
var errNoDoor = errors.New("the running configuration has no doorward in it")

// adminStatus returns the status of an error. Operators see its text.
func adminStatus(err error) int {
	switch {
	case errors.Is(err, errNoUser), errors.Is(err, errNoSession), errors.Is(err, directory.ErrNotFound), errors.Is(err, errNoDoor):
		return http.StatusNotFound
	case errors.Is(err, directory.ErrNotEmpty), errors.Is(err, errForeignKey):
		return http.StatusConflict
	case errors.Is(err, directory.ErrFile), errors.Is(err, directory.ErrAddress), errors.Is(err, directory.ErrName), errors.Is(err, directory.ErrGroup), errors.Is(err, errAdminBody):
		return http.StatusBadRequest
	}
	return http.StatusServiceUnavailable
}

var errAdminBody = errors.New("malformed body")

// adminUser is a user as operators see one.
type adminUser struct {
	ID        string         `json:"id"`
	Email     string         `json:"email"`
	Verified  bool           `json:"verified"`
	Name      string         `json:"name,omitempty"`
	Groups    []string       `json:"groups"`
	Added     bool           `json:"added"`
	Disabled  bool           `json:"disabled"`
	CreatedAt time.Time      `json:"created_at"`
	Created   bool           `json:"created,omitempty"` // just now
	Passkeys  []adminPasskey `json:"passkeys,omitempty"`
}

type adminPasskey struct {
	ID            string    `json:"id"`
	Name          string    `json:"name"`
	RelyingParty  string    `json:"relying_party"`
	Authenticator string    `json:"authenticator,omitempty"`
	CreatedAt     time.Time `json:"created_at"`
	LastUsedAt    time.Time `json:"last_used_at,omitzero"`
}

func newAdminUser(u directory.User) adminUser {
	primary, _ := u.Primary()
	return adminUser{
		ID: u.ID, Email: string(primary.Address), Verified: primary.Verified, Name: u.Name,
		Groups: append([]string{}, u.Groups...), Added: u.Added, Disabled: u.Disabled, CreatedAt: u.CreatedAt.UTC(),
	}
}

func listUsers(o operator, r *http.Request) (any, error) {
	limit, err := strconv.Atoi(r.FormValue("limit"))
	if err != nil || limit < 1 || limit > 1000 {
		limit = 1000
	}
	users, err := o.directory.Users(r.Context(), r.FormValue("after"), limit)
	if err != nil {
		return nil, err
	}
	list := []adminUser{}
	for _, u := range users {
		list = append(list, newAdminUser(u))
	}
	return list, nil
}

func addUser(o operator, r *http.Request) (any, error) {
	var body struct {
		Email, Name string
		Groups      []string
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, fmt.Errorf("%w: %w", errAdminBody, err)
	}
	u, created, err := o.add(r.Context(), body.Email, body.Name, body.Groups)
	if err != nil {
		return nil, err
	}
	user := newAdminUser(u)
	user.Created = created
	return user, nil
}

func showUser(o operator, r *http.Request) (any, error) {
	u, err := o.find(r.Context(), r.PathValue("who"))
	if err != nil {
		return nil, err
	}
	passkeys, err := o.directory.Passkeys(r.Context(), u.ID)
	if err != nil {
		return nil, err
	}
	user := newAdminUser(u)
	for _, k := range passkeys {
		user.Passkeys = append(user.Passkeys, adminPasskey{
			ID: base64.RawURLEncoding.EncodeToString(k.ID), Name: k.Name, RelyingParty: k.RPID,
			Authenticator: ceremony.AuthenticatorName(k.AAGUID), CreatedAt: k.CreatedAt.UTC(), LastUsedAt: k.LastUsedAt.UTC(),
		})
	}
	return user, nil
}

func removeUser(o operator, r *http.Request) (any, error) {
	return struct{}{}, o.remove(r.Context(), r.PathValue("who"))
}

func disableUser(o operator, r *http.Request) (any, error) { return setDisabled(o, r, true) }
func enableUser(o operator, r *http.Request) (any, error)  { return setDisabled(o, r, false) }

func setDisabled(o operator, r *http.Request, disabled bool) (any, error) {
	u, err := o.disable(r.Context(), r.PathValue("who"), disabled)
	if err != nil {
		return nil, err
	}
	return newAdminUser(u), nil
}

func unlockUser(o operator, r *http.Request) (any, error) {
	u, err := o.unlock(r.Context(), r.PathValue("who"))
	if err != nil {
		return nil, err
	}
	return newAdminUser(u), nil
}

func setUserGroups(o operator, r *http.Request) (any, error) {
	var body struct{ Groups []string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, fmt.Errorf("%w: %w", errAdminBody, err)
	}
	u, err := o.setGroups(r.Context(), r.PathValue("who"), body.Groups)
	if err != nil {
		return nil, err
	}
	return newAdminUser(u), nil
}

// adminSession is a session as operators see one.
type adminSession struct {
	ID         string    `json:"id"`
	Site       string    `json:"site"`
	Agent      string    `json:"agent"`
	Address    string    `json:"address"`
	StartedAt  time.Time `json:"started_at"`
	LastSeenAt time.Time `json:"last_seen_at"`
	ExpiresAt  time.Time `json:"expires_at"`
}

func listSessions(o operator, r *http.Request) (any, error) {
	u, err := o.find(r.Context(), r.PathValue("who"))
	if err != nil {
		return nil, err
	}
	live, err := o.sessions.List(r.Context(), u.ID)
	if err != nil {
		return nil, err
	}
	list := []adminSession{}
	for _, s := range live {
		list = append(list, adminSession{
			s.ID, s.Audience, s.Agent, s.Address, s.StartedAt.UTC(), s.LastSeenAt.UTC(), s.ExpiresAt.UTC(),
		})
	}
	return list, nil
}

func endSessions(o operator, r *http.Request) (any, error) {
	u, err := o.find(r.Context(), r.PathValue("who"))
	if err != nil {
		return nil, err
	}
	if err := o.sessions.EndAll(r.Context(), u.ID, ""); err != nil {
		return nil, err
	}
	return struct{}{}, o.note(r.Context(), u.ID, "sessions_ended", "")
}

func endSession(o operator, r *http.Request) (any, error) {
	return struct{}{}, o.endSession(r.Context(), r.PathValue("who"), r.PathValue("id"))
}

// Interface guards.
var _ caddy.AdminRouter = (*adminAPI)(nil)
