package session

import "unique"

// share has the strings that many sessions have in common be in memory once.
func (s *Session) share() {
	s.Audience, s.Agent = shared(s.Audience), shared(s.Agent)
	for i := range s.Sites {
		s.Sites[i] = shared(s.Sites[i])
	}
	for i := range s.Methods {
		s.Methods[i].Name = shared(s.Methods[i].Name)
	}
}

// share is the same for what the subjects of many sessions have in common.
func (a *Identity) share() {
	for i := range a.Groups {
		a.Groups[i] = shared(a.Groups[i])
	}
}

func shared(text string) string { return unique.Make(text).Value() }

// tidy forgets the assertions that are due to be signed anew: the longer part of what
// a visitor takes who has not been seen for some minutes.
func (s *Sessions) tidy() {
	now := s.now()
	for i := range s.cache.shards {
		shard := &s.cache.shards[i]
		shard.mu.RLock()
		for i := range shard.entries {
			shard.entries[i].visitor.assertions.tidy(now)
		}
		shard.mu.RUnlock()
	}
}
