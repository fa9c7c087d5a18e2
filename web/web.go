// Package web holds the pages that Doorward shows to people: signing in,
// typing a passcode, adding a passkey, looking after an account, and what to
// read when something went wrong. Templates, styles, one script and the
// languages are embedded; there is no build step.
//
// Everything but passkeys works without JavaScript: pages are plain HTML and
// every change is a form. The script adds what only a script can do (WebAuthn,
// times in the visitor's zone). Nothing is inline, so that the policy of
// [Pages.CSP] holds without exceptions.
//
// The package decides nothing. It reads no request, knows no session, and
// takes from its caller where to go next; it only refuses to print a link
// that leads away from the site (see [Options.ReturnOrigins]).
package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"regexp"
	"strings"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Options says what the pages of one site look like and where they live.
// The zero value is a usable site without a name.
type Options struct {
	// Path is where Doorward's endpoints live, "/doorward" by default. It
	// starts with a slash and does not end with one.
	Path string

	// Name is the site's or company's name, shown above each page and in the
	// title. Without it only the logo is shown.
	Name string

	// Logo is a path on the site or an https URL; empty means a quiet mark of
	// our own. It is seen by people who have not signed in, so a path has to
	// be open to everyone. Data URLs are refused: the policy allows none.
	Logo string

	// Accent is the color of buttons and links, as #rrggbb. Any color is
	// fine: text on it becomes black or white, and links get a shade of it
	// that is readable on the page, light or dark.
	Accent string

	// ReturnOrigins are the origins besides the site's own that people may be
	// sent back to, such as https://shop.example.com. A link to any other
	// origin is left out of the pages.
	ReturnOrigins []string
}

// Pages renders the pages of one site. It is immutable, and its methods are
// safe for concurrent use.
type Pages struct {
	path, name, logo string
	origins          []string
	csp              string
	templates        map[string]*template.Template
	languages        *languages
	static           *static
}

// New prepares the pages: it parses every template and catalogue, derives the
// colors, and checks the options. A wrong option is an error.
func New(o Options) (*Pages, error) {
	p := &Pages{path: o.Path, name: strings.TrimSpace(o.Name)}
	if p.path == "" {
		p.path = "/doorward"
	}
	if err := checkPath(p.path); err != nil {
		return nil, err
	}
	for _, s := range o.ReturnOrigins {
		origin, err := parseOrigin(s)
		if err != nil {
			return nil, fmt.Errorf("return origin: %w", err)
		}
		p.origins = append(p.origins, origin)
	}
	accent := defaultAccent
	if o.Accent != "" {
		var err error
		if accent, err = parseColor(o.Accent); err != nil {
			return nil, fmt.Errorf("accent: %w", err)
		}
	}
	var err error
	if p.static, err = newStatic(p.path+"/static/", newTheme(accent)); err != nil {
		return nil, err
	}
	p.logo = p.static.paths["mark.svg"]
	var logoOrigin string
	if o.Logo != "" {
		if logoOrigin, err = checkLogo(o.Logo); err != nil {
			return nil, fmt.Errorf("logo: %w", err)
		}
		p.logo = o.Logo
	}
	p.csp = policy(logoOrigin, p.origins)
	if p.languages, err = loadLanguages(); err != nil {
		return nil, err
	}
	if p.templates, err = parseTemplates(); err != nil {
		return nil, err
	}
	return p, nil
}

// Render answers with page in the language that acceptLanguage, the header of
// that name, likes best. It sets Content-Type, Content-Language and the status
// and leaves all other headers to the caller. Nothing is written unless the
// whole page could be rendered, so after an error the caller can still answer.
func (p *Pages) Render(w http.ResponseWriter, acceptLanguage string, status int, page Page) error {
	if page == nil {
		return errors.New("rendering a page: none given")
	}
	words := p.languages.match(acceptLanguage)
	var b bytes.Buffer
	if err := p.templates[page.template()].Execute(&b, &view{Pages: p, words: words, Page: page}); err != nil {
		return fmt.Errorf("rendering %s in %s: %w", page.template(), words.tag, err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", words.tag.String())
	w.WriteHeader(status)
	if _, err := b.WriteTo(w); err != nil {
		return fmt.Errorf("writing %s: %w", page.template(), err)
	}
	return nil
}

// CSP returns the Content-Security-Policy that the pages need and that they
// are to be served with.
func (p *Pages) CSP() string { return p.csp }

// policy allows what the pages use and nothing else. The origins people return
// to are in form-action because browsers hold the redirect after a form to it.
func policy(logoOrigin string, returnOrigins []string) string {
	img := "img-src 'self'"
	if logoOrigin != "" {
		img += " " + logoOrigin
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		img,
		"connect-src 'self'",
		strings.Join(append([]string{"form-action 'self'"}, returnOrigins...), " "),
		"base-uri 'none'",
		"frame-ancestors 'none'",
	}, "; ")
}

var pathPattern = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

func checkPath(s string) error {
	if !pathPattern.MatchString(s) || path.Clean(s) != s {
		return fmt.Errorf("path %q: want a path such as /doorward, of letters, digits and -._~", s)
	}
	return nil
}

// parseTemplates gives each page a set of its own, in which the page fills the
// blocks of the layout.
func parseTemplates() (map[string]*template.Template, error) {
	shared, err := template.ParseFS(templateFiles, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("parsing templates: %w", err)
	}
	sets := make(map[string]*template.Template)
	for _, page := range pages {
		name := page.template()
		set, err := shared.Clone()
		if err != nil {
			return nil, fmt.Errorf("parsing templates: %w", err)
		}
		if _, err := set.ParseFS(templateFiles, "templates/"+name+".html"); err != nil {
			return nil, fmt.Errorf("parsing templates: %w", err)
		}
		sets[name] = set.Lookup("layout.html")
	}
	return sets, nil
}

// pages is the closed set of them.
var pages = []Page{
	LoginPage{}, PasscodePage{}, VerifyPage{}, OfferPage{}, AccountPage{}, ErrorPage{}, LoopPage{}, SignedOutPage{},
}
