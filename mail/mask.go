package mail

import (
	"regexp"
	"strings"
)

// maxAnswer bounds what we repeat of a server's answer.
const maxAnswer = 300

var (
	// anyAddress is generous: it takes message IDs too, which is no loss.
	anyAddress = regexp.MustCompile(`[^\s<>()\[\]",;:]+@[^\s<>()\[\]",;:]+`)

	anyNumber = regexp.MustCompile(`[0-9]{4,}`)
)

// maskAddress hides whose address it is, and leaves what an operator needs to
// find out why mail to a domain does not arrive.
func maskAddress(address string) string {
	local, domain, ok := cutLast(address, "@")
	if !ok {
		return "***"
	}
	first := ""
	if runes := []rune(local); len(runes) > 1 {
		first = string(runes[:1])
	}
	return first + "***@" + domain
}

// hide takes the reader's address and the numbers of the letter m out of what a
// server answered to it. A content filter may well quote the subject that it
// disliked, and our subjects begin with a passcode.
func hide(m Message, answer string) string {
	// What the library adds is of no use here, and has the address in full.
	answer, _, _ = strings.Cut(answer, ", affected ")
	answer = strings.ReplaceAll(oneLine(answer, maxAnswer), m.To, maskAddress(m.To))
	answer = anyAddress.ReplaceAllStringFunc(answer, maskAddress)
	for _, number := range anyNumber.FindAllString(m.Subject+"\n"+m.Text, -1) {
		answer = strings.ReplaceAll(answer, number, "****")
	}
	return answer
}

func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}
