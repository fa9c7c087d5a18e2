package caddymodule

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/doorward/doorward/session"
)

func keysCommand(t *terminal) *cobra.Command {
	keys := &cobra.Command{Use: "keys", Short: "Looks after the keys that sign sessions", Args: cobra.NoArgs, RunE: chooseOne}
	keys.AddCommand(
		&cobra.Command{
			Use: "list", Short: "Lists the signing keys, what each does and when it goes", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				var list []adminKey
				if err := t.ask("GET", "/keys", nil, &list); err != nil {
					return err
				}
				return t.listKeys(c.OutOrStdout(), list)
			},
		},
		t.rotateCommand(),
		&cobra.Command{
			Use: "reseal", Short: "Seals the signing keys with the newest secret", Args: cobra.NoArgs,
			Long: `
Seals with the newest secret the signing keys that an older one has sealed. Do
so when all nodes run with both: secret {new} {old}. Sessions are sealed again
as they are used; the answer says when the old secret can go.`,
			RunE: func(c *cobra.Command, _ []string) error {
				var answer adminResealed
				if err := t.ask("POST", "/keys/reseal", nil, &answer); err != nil {
					return err
				}
				return t.print(c.OutOrStdout(), answer, "sealed again: %d\nIf all nodes seal with the new secret, the old one can go after %s.\n",
					answer.Resealed, answer.NeededUntil.Format(time.RFC3339))
			},
		},
	)
	return keys
}

func (t *terminal) rotateCommand() *cobra.Command {
	var atOnce bool
	c := &cobra.Command{
		Use: "rotate", Short: "Makes the next signing key", Args: cobra.NoArgs,
		Long: `
Makes the next signing key. It signs when the apps that verify assertions can
know it, in some minutes. If the next key is there already, none is made: that
one signs as soon as it can.

With --now a new key is made that signs at once, for the case that somebody may
have read the old ones. Apps that keep the key set refuse what it signs until
they read the set again. In both cases nobody is signed out: a key goes when
the last token that it signed has expired, as sessions last now. If they lasted
longer when it signed, whoever has such a session signs in once more.`,
		RunE: func(c *cobra.Command, _ []string) error {
			var key adminKey
			if err := t.ask("POST", "/keys/rotate", map[string]bool{"now": atOnce}, &key); err != nil {
				return err
			}
			if key.State == session.KeyNext {
				return t.print(c.OutOrStdout(), key, "%s signs from %s\n", key.ID, key.SignsFrom.Format(time.RFC3339))
			}
			return t.print(c.OutOrStdout(), key, "%s signs now\n", key.ID)
		},
	}
	c.Flags().BoolVar(&atOnce, "now", false, "a new key signs at once")
	return c
}

func (t *terminal) listKeys(w io.Writer, list []adminKey) error {
	if t.json {
		return t.print(w, list, "")
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tALGORITHM\tSTATE\tCREATED\tSIGNS FROM\tGOES")
	for _, k := range list {
		goes := "-"
		if !k.RetiresAt.IsZero() {
			goes = k.RetiresAt.Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Algorithm, k.State,
			k.CreatedAt.Format(time.RFC3339), k.SignsFrom.Format(time.RFC3339), goes)
	}
	return table.Flush()
}
