package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "doorward",
		Short: "Looks after the users, sessions and signing keys of a running Doorward",
		Long: `
Looks after users, sessions and signing keys, and moves them to another server.
The program doorward knows these commands without the word in front of them, too.
The commands talk to the running server by Caddy's admin API, on localhost:2019
unless --address says otherwise. (apk-key-hash talks to nobody.)`,
		CobraFunc: func(c *cobra.Command) {
			var t terminal
			c.PersistentFlags().StringVar(&t.address, "address", "", "address of Caddy's admin API (default localhost:2019)")
			c.PersistentFlags().BoolVar(&t.json, "json", false, "print the answer as JSON")
			c.AddCommand(usersCommand(&t), sessionsCommand(&t), keysCommand(&t), exportCommand(&t), importCommand(&t), apkKeyHashCommand(&t))
		},
	})
}

// ExpandArgs returns the arguments of a program that knows Doorward's
// sub-commands without their prefix: "users list" is "doorward users list", and
// "help users" is "help doorward users".
func ExpandArgs(args []string) []string {
	at := 1
	if len(args) > 2 && args[1] == "help" {
		at = 2
	}
	if len(args) > at && slices.Contains([]string{"users", "sessions", "keys", "export", "import", "apk-key-hash"}, args[at]) {
		return slices.Insert(slices.Clone(args), at, "doorward")
	}
	return args
}

// chooseOne is what a command does that is nothing without a sub-command. With
// NoArgs beside it, a misspelt one is an error rather than a page of help.
func chooseOne(c *cobra.Command, _ []string) error { return c.Help() }

// terminal asks the running server, and prints what it says.
type terminal struct {
	address string
	json    bool
}

func usersCommand(t *terminal) *cobra.Command {
	users := &cobra.Command{Use: "users", Short: "Looks after users", Args: cobra.NoArgs, RunE: chooseOne}
	var name string
	var groups []string
	add := &cobra.Command{
		Use: "add <address>", Short: "Adds a user, or confirms one who signed up", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var u adminUser
			err := t.ask("POST", "/users", map[string]any{"email": args[0], "name": name, "groups": groups}, &u)
			if err != nil {
				return err
			}
			if u.Created {
				return t.print(c.OutOrStdout(), u, "added %s\n", u.Email)
			}
			return t.print(c.OutOrStdout(), u, "%s was there already, and is confirmed\n", u.Email)
		},
	}
	add.Flags().StringVar(&name, "name", "", "the user's display name")
	add.Flags().StringSliceVar(&groups, "group", nil, "a group of the user; may be repeated")
	users.AddCommand(add,
		&cobra.Command{
			Use: "list", Short: "Lists the users", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return t.listUsers(c.OutOrStdout()) },
		},
		&cobra.Command{
			Use: "show <user>", Short: "Shows a user, by address or ID", Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				var u adminUser
				if err := t.ask("GET", user(args[0]), nil, &u); err != nil {
					return err
				}
				return t.showUser(c.OutOrStdout(), u)
			},
		},
		t.change("disable <user>", "Signs a user out everywhere, and lets them sign in no more", "POST", "/disable", "disabled"),
		t.change("enable <user>", "Lets a disabled user sign in again", "POST", "/enable", "enabled"),
		t.change("unlock <user>", "Lets passcodes of a user count again after too many wrong ones, and letters go out", "POST", "/unlock", "unlocked"),
		t.change("remove <user>", "Removes a user with their passkeys, and signs them out everywhere", "DELETE", "", "removed"),
		t.groupsCommand(),
	)
	return users
}

// change is a command that does one thing to a user.
func (t *terminal) change(use, short, method, what, done string) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var answer json.RawMessage
			if err := t.ask(method, user(args[0])+what, nil, &answer); err != nil {
				return err
			}
			return t.print(c.OutOrStdout(), answer, "%s %s\n", done, args[0])
		},
	}
}

func (t *terminal) groupsCommand() *cobra.Command {
	var none bool
	c := &cobra.Command{
		Use: "groups <user> [<group>...]", Short: "Shows the groups of a user, or sets them to the ones given", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var u adminUser
			var err error
			switch groups := args[1:]; {
			case none && len(groups) > 0:
				return errors.New("--none goes without groups")
			case none || len(groups) > 0:
				err = t.ask("PUT", user(args[0])+"/groups", map[string]any{"groups": groups}, &u)
			default:
				err = t.ask("GET", user(args[0]), nil, &u)
			}
			if err != nil {
				return err
			}
			return t.print(c.OutOrStdout(), u, "%s: %s\n", u.Email, orNone(u.Groups))
		},
	}
	c.Flags().BoolVar(&none, "none", false, "take the user out of all groups")
	return c
}

func sessionsCommand(t *terminal) *cobra.Command {
	sessions := &cobra.Command{Use: "sessions", Short: "Looks after sessions", Args: cobra.NoArgs, RunE: chooseOne}
	var all bool
	end := &cobra.Command{
		Use: "end <user> [<session-id>]", Short: "Ends a session of a user, or all with --all", Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			path := user(args[0]) + "/sessions"
			switch {
			case all == (len(args) == 2):
				return errors.New("say which: the ID of a session (see sessions list), or --all")
			case !all:
				path += "/" + url.PathEscape(args[1])
			}
			var answer json.RawMessage
			if err := t.ask("DELETE", path, nil, &answer); err != nil {
				return err
			}
			return t.print(c.OutOrStdout(), answer, "ended\n")
		},
	}
	end.Flags().BoolVar(&all, "all", false, "end all sessions of the user")
	sessions.AddCommand(end, &cobra.Command{
		Use: "list <user>", Short: "Lists where a user is signed in", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var list []adminSession
			if err := t.ask("GET", user(args[0])+"/sessions", nil, &list); err != nil {
				return err
			}
			return t.listSessions(c.OutOrStdout(), list)
		},
	})
	return sessions
}

func user(who string) string { return "/users/" + url.PathEscape(who) }

// ask sends a request to the running server and decodes its answer.
func (t *terminal) ask(method, path string, body, answer any) error {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(encoded)
	}
	return t.askWith(method, path, nil, content, answer)
}

// askWith is ask for content that is encoded already.
func (t *terminal) askWith(method, path string, header http.Header, content io.Reader, answer any) error {
	response, err := t.request(method, path, header, content)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	return nil
}

// request sends a request to the running server. The body of the answer is to be
// closed.
func (t *terminal) request(method, path string, header http.Header, content io.Reader) (*http.Response, error) {
	address := t.address
	if address == "" {
		var err error
		if address, err = caddycmd.DetermineAdminAPIAddress("", nil, "", ""); err != nil {
			return nil, err
		}
	}
	response, err := caddycmd.AdminAPIRequest(address, method, "/doorward"+path, header, content)
	if err != nil {
		return nil, explain(address, err)
	}
	return response, nil
}

// explain says in an operator's words why the server did not do it.
func explain(address string, err error) error {
	// What the server answers may be about a connection that was refused to it.
	answered := strings.Contains(err.Error(), "HTTP ")
	if !answered && (strings.Contains(err.Error(), "connection refused") || strings.Contains(err.Error(), "no such file")) {
		return fmt.Errorf("no server is running whose admin API is at %s: start it, or say where it is with --address", address)
	}
	if _, text, ok := strings.Cut(err.Error(), "{"); ok {
		var said adminError
		if json.Unmarshal([]byte("{"+text), &said) == nil && said.Error != "" {
			return readable(errors.New(said.Error))
		}
	}
	if strings.Contains(err.Error(), "HTTP 404") {
		return fmt.Errorf("the server whose admin API is at %s was built without Doorward", address)
	}
	return err
}

// readable returns an error without the name of the package that it is from.
func readable(err error) error {
	return errors.New(strings.ReplaceAll(err.Error(), "directory: ", ""))
}

// print prints an answer as JSON if that was asked for, else as text.
func (t *terminal) print(w io.Writer, answer any, format string, args ...any) error {
	if t.json {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(answer)
	}
	_, err := fmt.Fprintf(w, format, args...)
	return err
}

// listUsers prints all users, page by page.
func (t *terminal) listUsers(w io.Writer) error {
	all := []adminUser{}
	for after := ""; ; {
		var page []adminUser
		if err := t.ask("GET", "/users?after="+url.QueryEscape(after), nil, &page); err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		all, after = append(all, page...), page[len(page)-1].ID
	}
	if t.json {
		return t.print(w, all, "")
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ADDRESS\tNAME\tGROUPS\tSTATE\tID")
	for _, u := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", u.Email, u.Name, orNone(u.Groups), u.state(), u.ID)
	}
	return table.Flush()
}

// state says in a word how a user stands.
func (u adminUser) state() string {
	switch {
	case u.Disabled:
		return "disabled"
	case u.Added && !u.Verified:
		return "invited"
	case u.Added:
		return "added"
	}
	return "signed up"
}

func orNone(groups []string) string {
	if len(groups) == 0 {
		return "-"
	}
	return strings.Join(groups, ",")
}

func (t *terminal) showUser(w io.Writer, u adminUser) error {
	if t.json {
		return t.print(w, u, "")
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "address\t%s\nname\t%s\ngroups\t%s\nstate\t%s\nid\t%s\nsince\t%s\n",
		u.Email, u.Name, orNone(u.Groups), u.state(), u.ID, u.CreatedAt.Format(time.RFC3339))
	for _, k := range u.Passkeys {
		used := "never used"
		if !k.LastUsedAt.IsZero() {
			used = "last used " + k.LastUsedAt.Format(time.RFC3339)
		}
		fmt.Fprintf(table, "passkey\t%s, for %s, %s\n", k.Name, k.RelyingParty, used)
	}
	return table.Flush()
}

func (t *terminal) listSessions(w io.Writer, list []adminSession) error {
	if t.json {
		return t.print(w, list, "")
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tSITE\tCLIENT\tADDRESS\tSTARTED\tLAST SEEN")
	for _, s := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.Site, s.Agent, s.Address,
			s.StartedAt.Format(time.RFC3339), s.LastSeenAt.Format(time.RFC3339))
	}
	return table.Flush()
}
