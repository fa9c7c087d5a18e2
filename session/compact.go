package session

import (
	"slices"
	"strings"
	"sync"
)

// compact puts what a visitor consists of into fewer and smaller pieces of memory. A node
// keeps very many visitors, and the collector looks at each piece of each. What many of
// them have in common is kept once.
func (v *Visitor) compact(common *common) {
	v.Audience, v.Agent = common.of(v.Audience), common.of(v.Agent)
	v.Sites, v.Identity.Groups = common.each(v.Sites), common.each(v.Identity.Groups)
	v.Methods = slices.Clone(v.Methods) // as long as it is, and no longer
	for i := range v.Methods {
		v.Methods[i].Name = common.of(v.Methods[i].Name)
	}
	own := []*string{&v.ID, &v.Subject, &v.Address, &v.Identity.Name, &v.Identity.Email}
	parts := make([]string, len(own))
	for i, part := range own {
		parts[i] = *part
	}
	whole := strings.Join(parts, "")
	for _, part := range own {
		n := len(*part)
		*part, whole = whole[:n], whole[n:]
	}
	v.Identity.Subject = v.Subject
}

// commonMost is how many strings are kept that visitors may have in common: where there
// are more, they are collected anew.
const commonMost = 4096

// common is what visitors have in common: sites, agents, methods, groups. The zero value
// is ready for use.
type common struct {
	mu   sync.Mutex
	kept map[string]string
}

// of returns s as it is kept for all who have the same.
func (c *common) of(s string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if kept, ok := c.kept[s]; ok {
		return kept
	}
	if c.kept == nil || len(c.kept) >= commonMost {
		c.kept = make(map[string]string)
	}
	s = strings.Clone(s) // rather than what it was read from
	c.kept[s] = s
	return s
}

func (c *common) each(list []string) []string {
	list = slices.Clone(list)
	for i, s := range list {
		list[i] = c.of(s)
	}
	return list
}
