package caddymodule

import (
	"slices"
	"strings"
	"testing"
)

// orderSite is a site with the given body, on a host of its own.
func orderSite(body string) string {
	return "app.example.com {\n" + body + "\n}\n"
}

// Somebody who put the door behind the app would never notice: the app answers.
func TestAnAppBeforeTheDoorIsRefused(t *testing.T) {
	const unasked = "answers before doorward is asked"
	tests := []struct{ name, caddyfile, want string }{
		{"in a route", orderSite(`route {
			reverse_proxy localhost:8080
			doorward
		}`), "reverse_proxy " + unasked},
		{"for some paths", orderSite(`route {
			reverse_proxy /api/* localhost:8080
			doorward
			reverse_proxy localhost:8081
		}`), "reverse_proxy " + unasked},
		{"files", orderSite(`route {
			file_server
			doorward
		}`), "file_server " + unasked},
		{"PHP", orderSite(`route {
			php_fastcgi localhost:9000
			doorward
		}`), "reverse_proxy " + unasked},
		{"forward_auth, whose answers would pass", orderSite(`route {
			forward_auth localhost:9000 {
				uri /check
			}
			doorward
		}`), "reverse_proxy " + unasked},
		{"in nested routes", orderSite(`route {
			route /a/* {
				route /a/b/* {
					reverse_proxy localhost:8080
				}
			}
			handle {
				route {
					doorward
				}
			}
		}`), "reverse_proxy " + unasked},
		{"the door in a later handle", orderSite(`route {
			reverse_proxy localhost:8080
			handle /admin/* {
				doorward
			}
		}`), "reverse_proxy " + unasked},
		{"the door in a route after a handle", orderSite(`handle /public/* {
			reverse_proxy localhost:8081
		}
		route {
			doorward
			reverse_proxy localhost:8080
		}`), "reverse_proxy " + unasked},
		{"the door in a route after handles", orderSite(`handle /a/* {
			reverse_proxy localhost:8081
		}
		handle /b/* {
			respond b
		}
		route {
			doorward
		}`), "reverse_proxy " + unasked},
		{"by the order option", "{\n\torder reverse_proxy before doorward\n}\n" + orderSite(`doorward
		reverse_proxy localhost:8080`), "reverse_proxy " + unasked},
		{"in a named route", "&(app) {\n\treverse_proxy localhost:8080\n}\n" + orderSite(`route {
			invoke app
			doorward
		}`), "reverse_proxy " + unasked},
		{"on a catch-all site", `{
	doorward {
		relying_party example.com {
			origins https://app.example.com
		}
	}
}
:443 {
	route {
		reverse_proxy localhost:8080
		doorward
	}
}`, "reverse_proxy " + unasked},
		{"an answer to everything", orderSite(`route {
			respond hello
			doorward
		}`), "static_response answers every request"},
		{"a redirect of everything", orderSite(`redir https://www.example.com{uri}
		doorward
		reverse_proxy localhost:8080`), "static_response answers every request"},
		{"an error for everything", orderSite(`route {
			error 404
			doorward
		}`), "error answers every request"},
		{"templates", orderSite(`route {
			templates
			doorward
			file_server
		}`), "templates stands before doorward"},
		{"templates for some paths", orderSite(`route {
			templates /pages/*
			doorward
			file_server
		}`), "templates stands before doorward"},
		{"a door for what another handler answers", orderSite(`reverse_proxy localhost:8080 {
			@error status 401
			handle_response @error {
				doorward
			}
		}`), "inside reverse_proxy"},
		{"a door for what is intercepted", orderSite(`intercept {
			@error status 401
			handle_response @error {
				doorward
			}
		}`), "inside intercept"},
		{"a door for errors", orderSite(`reverse_proxy localhost:8080
		handle_errors {
			doorward
		}`), "doorward"},
		{"an app behind an API host", orderSite(`doorward_api
		reverse_proxy localhost:8080`), "doorward_api answers every request, so reverse_proxy behind it is never reached"},
		{"files behind an API host, in a handle", orderSite(`doorward_api
		handle /files/* {
			file_server
		}`), "so file_server behind it is never reached"},
		{"a door behind an API host", orderSite(`doorward_api
		doorward`), "doorward_api answers every request, so doorward behind it is never asked"},
		{"a second API host behind the first", orderSite(`route {
			doorward_api
			doorward_api
		}`), "doorward_api answers every request"},
		{"an API host behind a door", orderSite(`route {
			doorward
			doorward_api
		}`), "nobody who is not signed in could sign in by it"},
		{"an API host behind an app", orderSite(`route {
			reverse_proxy /docs/* localhost:8080
			doorward_api
		}`), "reverse_proxy " + unasked},
		{"an API host for errors", orderSite(`respond hello
		handle_errors {
			doorward_api
		}`), "doorward"},
		{"an app before the door, and well-known files", orderSite(`route {
			doorward_well_known
			reverse_proxy localhost:8080
			doorward
		}`), "reverse_proxy " + unasked},
		{"a door in a named route", "&(door) {\n\tdoorward\n}\n" + orderSite(`invoke door
		reverse_proxy localhost:8080`), "named routes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dataHome(t)
			config, err := adapt(tt.caddyfile)
			if err != nil {
				t.Fatal(err)
			}
			if err := validate(config); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("validate: %v, want %q", err, tt.want)
			}
			if keys := pooled(); len(keys) > 0 {
				t.Errorf("left in the pool: %q", keys)
			}
		})
	}
}

func TestOrdinaryConfigurationsAreNotRefused(t *testing.T) {
	tests := []struct {
		name, caddyfile string
		open            []string // what the operator is warned about
	}{
		{"a door and an app", orderSite("doorward\nreverse_proxy localhost:8080"), nil},
		{"all that stands before a door by itself", orderSite(`
		encode
		header X-Frame-Options DENY
		log
		root * /srv
		vars a b
		map {path} {x} {
			default y
		}
		request_body {
			max_size 1MB
		}
		redir /old /new
		rewrite /a /b
		try_files {path} /index.html
		request_header X-Real b
		basic_auth /old/* {
			ann $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG
		}
		doorward
		respond /healthz 200
		templates
		handle /api/* {
			reverse_proxy localhost:8081
		}
		handle_path /files/* {
			file_server
		}
		reverse_proxy localhost:8080
		handle_errors {
			respond "sorry"
		}`), nil},
		{"answers to some paths", orderSite(`route {
			redir /old /new
			respond /healthz 200
			abort /.git/*
			error /secret 404
			encode
			doorward
			reverse_proxy localhost:8080
		}`), nil},
		{"PHP", orderSite("doorward\nroot * /srv\nphp_fastcgi localhost:9000\nfile_server"), nil},
		{"forward_auth", orderSite("doorward\nforward_auth localhost:9000 {\n\turi /check\n}\nreverse_proxy localhost:8080"), nil},
		{"several doors", orderSite("doorward /admin/* {\n\tallow group:admins\n}\ndoorward\nreverse_proxy localhost:8080"), nil},
		{"a second door after what may not stand before the first", orderSite(`route {
			doorward
			templates
			reverse_proxy /api/* localhost:8081
			doorward /admin/* {
				allow group:admins
			}
			file_server
		}`), nil},
		{"a door in each handle", orderSite(`handle /admin/* {
			doorward {
				allow group:admins
			}
			reverse_proxy localhost:8081
		}
		handle {
			doorward
			reverse_proxy localhost:8080
		}`), nil},
		{"a door in each handle, and the app after them", orderSite(`handle /admin/* {
			doorward {
				allow group:admins
			}
		}
		handle {
			doorward
		}
		reverse_proxy localhost:8080`), nil},
		{"a handle without a door, before", orderSite(`handle /public/* {
			reverse_proxy localhost:8081
		}
		handle {
			doorward
			reverse_proxy localhost:8080
		}`), []string{"reverse_proxy for path /public/*"}},
		{"a handle without a door, after", orderSite(`handle /admin/* {
			doorward
			reverse_proxy localhost:8080
		}
		handle {
			reverse_proxy localhost:8081
		}`), []string{"reverse_proxy"}},
		{"handles without a door, in a route", orderSite(`route {
			handle /public/* {
				file_server
			}
			header X-A b
			@api {
				path /api/*
				method GET
			}
			handle @api {
				reverse_proxy localhost:8081
			}
			handle {
				doorward
				reverse_proxy localhost:8080
			}
		}`), []string{"file_server for path /public/*", "reverse_proxy for method GET and path /api/*"}},
		{"a handle without an app", orderSite(`handle /healthz {
			respond ok
		}
		handle {
			doorward
			reverse_proxy localhost:8080
		}`), nil},
		{"a guarded handle, and an app beside it", orderSite(`handle /admin/* {
			doorward
			reverse_proxy localhost:8080
		}
		reverse_proxy localhost:8081`), []string{"reverse_proxy"}},
		{"a guarded route, and an app beside it", orderSite(`route /admin/* {
			doorward
			reverse_proxy localhost:8080
		}
		reverse_proxy localhost:8081`), []string{"reverse_proxy"}},
		{"nested handles", orderSite(`handle /a/* {
			handle /a/b/* {
				reverse_proxy localhost:8081
			}
			handle {
				doorward
				reverse_proxy localhost:8080
			}
		}`), []string{"reverse_proxy for path /a/*, path /a/b/*"}},
		{"a named route beside a door", "&(app) {\n\treverse_proxy localhost:8080\n}\n" + orderSite(`handle /public/* {
			invoke app
		}
		handle {
			doorward
			invoke app
		}`), []string{"reverse_proxy for path /public/*"}},
		{"a path of the site that is another site", `app.example.com/public/* {
	reverse_proxy localhost:8081
}
` + orderSite("doorward\nreverse_proxy localhost:8080"), []string{"reverse_proxy for path /public/*"}},
		{"other sites without doors", `{
	doorward {
		relying_party example.com
	}
}
open.example.com {
	reverse_proxy localhost:8081
}
*.example.com {
	doorward
	reverse_proxy localhost:8080
}
example.org {
	reverse_proxy localhost:8082
}
app.example.com {
	doorward
	reverse_proxy localhost:8080
}
:443 {
	reverse_proxy localhost:8083
}`, nil},
		{"hosts of a wildcard", `{
	doorward {
		relying_party example.com
	}
}
*.example.com {
	@open host open.example.com
	handle @open {
		reverse_proxy localhost:8081
	}
	@app host app.example.com
	handle @app {
		doorward
		reverse_proxy localhost:8080
	}
	handle {
		abort
	}
}`, []string{"reverse_proxy for host open.example.com"}},
		{"an API host", orderSite("header X-A b\nencode\nredir /old /new\ndoorward_api"), nil},
		{"an API host beside other answers", orderSite(`handle /docs/* {
			file_server
		}
		handle {
			doorward_api
		}`), []string{"file_server for path /docs/*"}},
		{"an API host and a door that exclude each other", orderSite(`handle /v1/* {
			doorward_api
		}
		handle {
			doorward
			reverse_proxy localhost:8080
		}`), nil},
		{"well-known files beside a door", orderSite("doorward_well_known\ndoorward\nreverse_proxy localhost:8080"), nil},
		{"well-known files guard nothing", orderSite(`handle /admin/* {
			doorward
			reverse_proxy localhost:8080
		}
		handle {
			doorward_well_known
			reverse_proxy localhost:8081
		}`), []string{"reverse_proxy"}},
		{"a catch-all site", `{
	doorward {
		relying_party example.com {
			origins https://app.example.com
		}
	}
}
:443 {
	redir /old /new
	handle /public/* {
		reverse_proxy localhost:8081
	}
	handle {
		doorward
		reverse_proxy localhost:8080
	}
}`, []string{"reverse_proxy for path /public/*"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dataHome(t)
			app := provisionCaddyfile(t, tt.caddyfile)
			var open []string
			for _, door := range app.doors {
				openings, err := door.site.checkOrder()
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range openings {
					if !slices.Contains(open, o.String()) {
						open = append(open, o.String())
					}
				}
			}
			if !slices.Equal(open, tt.open) {
				t.Errorf("open: %q, want %q", open, tt.open)
			}
		})
	}
}
