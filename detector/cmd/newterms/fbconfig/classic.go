package fbconfig

import "strings"

// classic reads the form of sections and indented properties:
//
//	[OUTPUT]
//	    Name  stdout
//	    Match *
//
// with @INCLUDE PATTERN and @SET NAME=VALUE, and # before comments.
func (c *Config) classic(path, text string) {
	section := -1
	n := 0
	for line := range strings.Lines(text) {
		n++
		at := Place{path, n}
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == '#':
		case trimmed[0] == '[':
			name, ok := strings.CutSuffix(trimmed[1:], "]")
			if !ok {
				c.problem(at, "the name of the section has no closing ]")
				continue
			}
			c.Sections = append(c.Sections, Section{Place: at, Kind: strings.ToLower(strings.TrimSpace(name))})
			section = len(c.Sections) - 1
		case trimmed[0] == '@':
			c.command(trimmed, at)
		case section < 0:
			c.problem(at, "this stands in no section; one begins with a line such as [OUTPUT]")
		default:
			key, value := cutSpace(trimmed)
			if value == "" {
				c.problem(at, key+" has no value")
				continue
			}
			s := &c.Sections[section]
			s.Properties = append(s.Properties, Property{Place: at, Key: strings.ToLower(key), Value: c.expand(value, at)})
		}
	}
}

func (c *Config) command(line string, at Place) {
	name, rest := cutSpace(line)
	switch strings.ToUpper(name) {
	case "@INCLUDE":
		c.include(c.expand(rest, at), at)
	case "@SET":
		key, value, ok := strings.Cut(rest, "=")
		if !ok {
			c.problem(at, "write @SET NAME=VALUE")
		}
		c.vars[strings.TrimSpace(key)] = c.expand(strings.TrimSpace(value), at)
	default:
		c.problem(at, name+" is unknown; there are @INCLUDE and @SET")
	}
}

// cutSpace cuts a text at the first space.
func cutSpace(s string) (before, after string) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, ""
	}
	return s[:i], strings.TrimSpace(s[i:])
}
