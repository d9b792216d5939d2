package fbconfig

import (
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// yamlLine is how the library begins its errors.
var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

// yaml reads the form of pipeline, inputs, filters and outputs.
func (c *Config) yaml(path string, text []byte) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		at, msg := Place{File: path}, err.Error()
		if m := yamlLine.FindStringSubmatch(msg); m != nil {
			at.Line, _ = strconv.Atoi(m[1]) // digits
			msg = msg[len(m[0]):]
		}
		c.problem(at, strings.TrimPrefix(msg, "yaml: "))
		return
	}
	if len(doc.Content) == 0 {
		c.problem(Place{File: path}, "the file is empty")
		return
	}
	top := doc.Content[0]
	for key, value := range c.pairs(path, top) { // before they are used
		if key.Value == "env" {
			for name, v := range c.pairs(path, value) {
				c.vars[name.Value] = c.expand(v.Value, Place{path, v.Line})
			}
		}
	}
	for key, value := range c.pairs(path, top) {
		at := Place{path, key.Line}
		switch key.Value {
		case "env":
		case "service":
			c.section("service", at, path, value)
		case "plugins":
			s := Section{Place: at, Kind: "plugins"}
			for _, e := range value.Content {
				at := Place{path, e.Line}
				s.Properties = append(s.Properties, Property{Place: at, Key: "path", Value: c.expand(e.Value, at)})
			}
			c.Sections = append(c.Sections, s)
		case "includes":
			for _, e := range value.Content {
				at := Place{path, e.Line}
				c.include(c.expand(e.Value, at), at)
			}
		case "pipeline":
			for name, list := range c.pairs(path, value) {
				kind := strings.TrimSuffix(name.Value, "s")
				if kind != "input" && kind != "filter" && kind != "output" {
					c.problem(Place{path, name.Line}, name.Value+" is unknown in pipeline; there are inputs, filters and outputs")
					continue
				}
				for _, e := range list.Content {
					c.section(kind, Place{path, e.Line}, path, e)
				}
			}
		}
	}
}

// section adds a map of properties.
func (c *Config) section(kind string, at Place, path string, node *yaml.Node) {
	s := Section{Place: at, Kind: kind}
	for key, value := range c.pairs(path, node) {
		p := Property{Place: Place{path, key.Line}, Key: strings.ToLower(key.Value)}
		first := value
		if value.Kind == yaml.SequenceNode {
			p.List = len(value.Content) > 1
			if first = &(yaml.Node{}); len(value.Content) > 0 {
				first = value.Content[0]
			}
		}
		p.Value = c.expand(strings.TrimSpace(first.Value), p.Place)
		s.Properties = append(s.Properties, p)
	}
	c.Sections = append(c.Sections, s)
}

// pairs yields the keys and values of a map.
func (c *Config) pairs(path string, node *yaml.Node) func(yield func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		if node.Kind == yaml.AliasNode {
			node = node.Alias
		}
		if node.Kind != yaml.MappingNode {
			if node.Tag != "!!null" {
				c.problem(Place{path, node.Line}, "expected keys and values")
			}
			return
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			value := node.Content[i+1]
			if value.Kind == yaml.AliasNode {
				value = value.Alias
			}
			if !yield(node.Content[i], value) {
				return
			}
		}
	}
}
