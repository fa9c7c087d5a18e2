package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// doorPath stands in the document for every path of an app, and says what the
// door answers to whom it does not let through.
const doorPath = "/{app}"

// Check returns an error if the document does not allow an answer: its status,
// its header fields or its body. Where a request was granted, the document has to
// allow that, too. The bodies of request and response are given apart, since
// those that they had have been read.
func (d *Document) Check(request *http.Request, requestBody []byte, response *http.Response, responseBody []byte) error {
	r, parameters, known := d.find(request.URL.EscapedPath())
	var operation *openapi3.Operation
	if known {
		operation = r.operation(request.Method)
	}
	if r.path == "/" && operation != nil && operation.Responses.Status(response.StatusCode) == nil {
		operation = nil // no API host's: the app's
	}
	if operation == nil {
		if err := d.checkUnknown(request, response, responseBody); err != nil {
			return describe(request, response, responseBody, err)
		}
		return nil
	}
	in := &openapi3filter.RequestValidationInput{
		Request: replay(request, requestBody), PathParams: parameters,
		Route: &routers.Route{Spec: d.spec, Path: r.path, PathItem: r.item, Method: request.Method, Operation: operation},
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, SkipSettingDefaults: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		},
	}
	problem, err := checkResponse(in, response, responseBody)
	if granted := response.StatusCode < 400; err == nil && granted {
		if err = openapi3filter.ValidateRequest(context.Background(), in); err != nil {
			err = fmt.Errorf("the request was granted, and the document does not allow it: %w", err)
		}
	}
	if err != nil {
		return describe(request, response, responseBody, err)
	}
	method := request.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	d.note(sight{r.mount, method, r.path, response.StatusCode, problem})
	return nil
}

// describe says which answer an error is about.
func describe(request *http.Request, response *http.Response, body []byte, err error) error {
	const most = 2000
	return fmt.Errorf("docs/openapi.yaml does not allow what %s %s was answered: %w\n%d %v\n%.*s",
		request.Method, request.URL.Path, err, response.StatusCode, response.Header, most, body)
}

// checkUnknown is Check for what the document does not have.
func (d *Document) checkUnknown(request *http.Request, response *http.Response, body []byte) error {
	as := "NotFound"
	switch {
	case preflight(request) && response.StatusCode == http.StatusNoContent:
		as = "Preflight"
	case response.StatusCode == http.StatusNotFound:
	case strings.HasPrefix(request.URL.Path, "/doorward"):
		return errors.New("the document has no such operation")
	default:
		return d.checkDoor(request, response, body)
	}
	found := d.spec.Components.Responses[as]
	if found == nil {
		return fmt.Errorf("the document has no response called %s", as)
	}
	operation := &openapi3.Operation{Responses: openapi3.NewResponses(openapi3.WithStatus(response.StatusCode, found))}
	_, err := d.checkAs(operation, request, response, body)
	return err
}

// checkDoor is Check for a request to an app that the door answers itself.
func (d *Document) checkDoor(request *http.Request, response *http.Response, body []byte) error {
	item := d.spec.Paths.Find(doorPath)
	if item == nil || item.Get == nil {
		return fmt.Errorf("the document has no %s", doorPath)
	}
	problem, err := d.checkAs(item.Get, request, response, body)
	if err == nil {
		d.note(sight{"", http.MethodGet, doorPath, response.StatusCode, problem})
	}
	return err
}

// checkAs checks an answer as if operation had given it.
func (d *Document) checkAs(operation *openapi3.Operation, request *http.Request, response *http.Response, body []byte) (problem string, err error) {
	return checkResponse(&openapi3filter.RequestValidationInput{
		Request: replay(request, nil),
		Route:   &routers.Route{Spec: d.spec, PathItem: &openapi3.PathItem{}, Method: request.Method, Operation: operation},
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}, response, body)
}

// checkResponse checks an answer to a request whose operation is known, and
// returns the problem that it is, if it is one that the document lists.
func checkResponse(in *openapi3filter.RequestValidationInput, response *http.Response, body []byte) (problem string, err error) {
	if starting(response, body) {
		return "", nil
	}
	documented := in.Route.Operation.Responses.Status(response.StatusCode)
	if documented == nil {
		return "", fmt.Errorf("status %d is not documented", response.StatusCode)
	}
	if err := checkHeader(documented.Value, response); err != nil {
		return "", err
	}
	if in.Request.Method == http.MethodHead {
		return "", nil
	}
	if len(documented.Value.Content) == 0 && len(body) > 0 {
		return "", errors.New("the document has no body here")
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: response.StatusCode, Header: response.Header, Options: in.Options,
	}
	out.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		return "", err
	}
	return checkProblem(documented.Value, response, body)
}

// starting reports whether Caddy answered in the place of a gateway that is not
// ready yet.
func starting(response *http.Response, body []byte) bool {
	return response.StatusCode == http.StatusServiceUnavailable && len(body) == 0 && response.Header.Get("Content-Type") == ""
}

// telling are the header fields that tell a client something: none is sent
// unsaid. The others are the same on every answer, or not Doorward's.
var telling = []string{
	"Location", "Retry-After", "Set-Cookie", "Www-Authenticate", "X-Auth-Token", "X-Request-Id",
	"X-Session-Lifetime", "X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset",
}

// checkHeader looks for fields that are missing, and for fields that the document
// does not have. The cookies of a refusal are housekeeping between a browser and
// the pages.
func checkHeader(documented *openapi3.Response, response *http.Response) error {
	var names []string
	for name, field := range documented.Headers {
		names = append(names, http.CanonicalHeaderKey(name))
		if field.Value.Required && response.Header.Get(name) == "" {
			return fmt.Errorf("the header field %s is missing", name)
		}
	}
	for _, name := range telling {
		_, sent := response.Header[name]
		if refusal := response.StatusCode >= 400; sent && !slices.Contains(names, name) && !(refusal && name == "Set-Cookie") {
			return fmt.Errorf("the header field %s is not documented", name)
		}
	}
	return nil
}

// checkProblem holds a problem document against the answer that it came with, and
// returns the problem if the document lists it.
func checkProblem(documented *openapi3.Response, response *http.Response, body []byte) (problem string, err error) {
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json") {
		return "", nil
	}
	var p struct {
		Type, ID     string
		Status, Code int
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return "", err
	}
	if p.Status != response.StatusCode || p.Code != response.StatusCode {
		return "", fmt.Errorf("the problem document says status %d and code %d", p.Status, p.Code)
	}
	if id := response.Header.Get("X-Request-Id"); p.ID != "" && p.ID != id {
		return "", fmt.Errorf("the problem's id is not the X-Request-Id %q", id)
	}
	listed := problems(documented)
	if len(listed) == 0 {
		return "", nil
	}
	_, problem, _ = strings.Cut(p.Type, "#")
	if !slices.Contains(listed, problem) {
		return "", fmt.Errorf("the problem %s is not listed for this status: %q", problem, listed)
	}
	return problem, nil
}

// preflight reports whether a browser asks whether it may send a request (the
// Fetch standard, CORS-preflight request).
func preflight(request *http.Request) bool {
	return request.Method == http.MethodOptions &&
		request.Header.Get("Origin") != "" && request.Header.Get("Access-Control-Request-Method") != ""
}

// replay returns a request with a body that has been read already.
func replay(request *http.Request, body []byte) *http.Request {
	again := request.Clone(context.Background())
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return again
}
