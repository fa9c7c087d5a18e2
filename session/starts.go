package session

// starts are the first and the third character of a set of header names, in all
// spellings that [fold] takes for one: a bit for each pair. Nearly all that browsers
// send differs there, so that one look tells it apart. (Of the first two, many more
// names have the same: Referer begins as Remote-User does, Priority as Proxy-Client-IP.)
type starts [256][4]uint64

// add adds a name, which is folded.
func (s *starts) add(name string) {
	if len(name) < 3 {
		return // has says so of all that are that short
	}
	for first := range 256 {
		if foldByte(byte(first)) != name[0] {
			continue
		}
		for third := range 256 {
			if foldByte(byte(third)) == name[2] {
				s[first][third/64] |= 1 << (third % 64)
			}
		}
	}
}

// has reports whether a name, spelled in any way, may be one of the set.
func (s *starts) has(name string) bool {
	return len(name) < 3 || s[name[0]][name[2]/64]&(1<<(name[2]%64)) != 0
}
