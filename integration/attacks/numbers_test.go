package attacks

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// numbers are the known attacks. What is missing between them is no attack.
const numbers = "01 02 03 04 05 07 09 10 11 12 14 15 16 18 20 21 22 23 25 27 28 31 32 33 34 35 36 38 39 41 " +
	"42 44 46 47 48 50 51 53 54 56 57 60 61 62 63 64 66 67 68 71 72 73 75 76 77 78 79 80 81 83 " +
	"84 86 87 88 89 90 92 93 94 96 97 98 99 100 102 103 104 105 108 109 112 113 114 116 117 " +
	"118 120 122 123 124 125 127 128 129 131 132 133 134 136 138 139 140 141 142 143 144 145 " +
	"146 148 149 151 153 154 155 156 158 160 162 163"

// notHere are the attacks that have no test of their own, with the reason.
var notHere = map[string]string{
	"T68":  "There is no hand-over between domains. A session cookie is for one host; a session is good for other sites only where api { sites } says so, by the same bearer token. No token exists that is used once and could be stolen or replayed on the way.",
	"T151": "Held by integration/faults, which starts primaries, replicas, Sentinels and clusters, and fails over between the two halves of ceremonies. Nothing is read from replicas.",
	"T155": "Held by integration/verify, which runs the programs of docs/verify.md as apps, and shows them forgeries.",
	"T156": "There are no invitations: rules say who may sign up, and operators add users. The nearest, IDs that are promised before an address is proved, are tried in T158 and T160.",
	"T162": "There are no recovery codes and no tokens of administrators: the way back in is the mailbox (T80 to T86), and the operators' API is behind Caddy's admin endpoint (T141).",
}

// Each attack is tried, or it is said why not: none is left out in silence.
func TestEveryAttackIsTriedOrAccountedFor(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`(?m)^func Test(T\d+)\pL\w*\(t \*testing\.T\)`)
	var tried []string
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		content, err := os.ReadFile(entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range declared.FindAllStringSubmatch(string(content), -1) {
			tried = append(tried, match[1])
		}
	}
	for n := range strings.FieldsSeq(numbers) {
		number := fmt.Sprintf("T%s", n)
		_, excused := notHere[number]
		if has := slices.Contains(tried, number); has == excused {
			t.Errorf("%s: has a test: %t, has a reason to have none: %t", number, has, excused)
		}
	}
}
