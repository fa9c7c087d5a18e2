// Command xcaddy prints the xcaddy command that builds the custom Caddy binary
// that xcaddy.toml describes, with this checkout as Doorward; with -run it runs
// it.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strings"

	"github.com/BurntSushi/toml"
)

// recipe is the content of xcaddy.toml.
type recipe struct {
	Caddy   string   // version of Caddy
	Output  string   // file that is built
	Modules []module `toml:"module"`
}

type module struct {
	Path    string // module path
	Version string // empty for the newest, and for this one the checkout
}

// self is the module that is built from the checkout.
const self = "github.com/doorward/doorward"

func main() {
	log.SetFlags(0)
	run := flag.Bool("run", false, "run the command rather than print it")
	file := flag.String("file", "xcaddy.toml", "the recipe")
	flag.Parse()
	r, err := read(*file)
	if err != nil {
		log.Fatal(err)
	}
	args := r.args()
	if !*run {
		fmt.Println(strings.Join(args, " "))
		return
	}
	command := exec.Command(args[0], args[1:]...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	if err := command.Run(); err != nil {
		log.Fatal(err)
	}
}

// read reads a recipe. A field that it does not know is an error.
func read(file string) (recipe, error) {
	var r recipe
	meta, err := toml.DecodeFile(file, &r)
	if err != nil {
		return recipe{}, err
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return recipe{}, fmt.Errorf("%s: unknown field %s", file, unknown[0])
	}
	if r.Caddy == "" || r.Output == "" || len(r.Modules) == 0 {
		return recipe{}, fmt.Errorf("%s: caddy, output and at least one [[module]] are wanted", file)
	}
	return r, nil
}

// args returns the xcaddy command.
func (r recipe) args() []string {
	args := []string{"xcaddy", "build", r.Caddy, "--output", r.Output}
	for _, m := range r.Modules {
		with := m.Path
		switch {
		case m.Path == self:
			with += "=."
		case m.Version != "":
			with += "@" + m.Version
		}
		args = append(args, "--with", with)
	}
	return args
}
