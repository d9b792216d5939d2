// Package fbconfig reads the configuration files of Fluent Bit, classic and
// YAML, with their includes and variables, and keeps where everything stands.
// It reads no more than a check of a pipeline needs: parsers and processors
// are left out.
//
// Sources: Fluent Bit's manual, "Configuration file" and "YAML configuration";
// flb_config_format.c, flb_cf_fluentbit.c and flb_cf_yaml.c.
package fbconfig

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Place is a place in a file. Line counts from 1; 0 is the file as a whole.
type Place struct {
	File string
	Line int
}

// String returns file:line.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// Property is a key and its value, with variables put in.
type Property struct {
	Place
	Key   string // lower-case
	Value string // of a YAML list the first element: Fluent Bit gives a plugin no other
	List  bool   // the value is a YAML list of several elements
}

// Section is a section, or an element of a YAML pipeline.
type Section struct {
	Place
	Kind       string // lower-case: service, input, filter, output, plugins …
	Properties []Property
}

// Find returns the first property of a name, nil if there is none: Fluent Bit
// uses the first one.
func (s *Section) Find(key string) *Property {
	for i := range s.Properties {
		if s.Properties[i].Key == key {
			return &s.Properties[i]
		}
	}
	return nil
}

// Get returns the value of a property, "" if it is not there.
func (s *Section) Get(key string) string {
	if p := s.Find(key); p != nil {
		return p.Value
	}
	return ""
}

// At returns the place of a property, or of the section where it is not there.
func (s *Section) At(key string) Place {
	if p := s.Find(key); p != nil {
		return p.Place
	}
	return s.Place
}

// Problem is what is wrong with a file.
type Problem struct {
	Place
	Msg string
}

// Config is a configuration.
type Config struct {
	Sections []Section
	// Plugins are the paths of shared objects, as often as they are listed.
	Plugins  []Property
	Problems []Problem
	// Unset are the variables that have no value. Fluent Bit takes them for "".
	Unset []Problem

	vars map[string]string
	read map[string]bool // files, against includes that go round
}

// maxIncludes bounds how many files a configuration may have.
const maxIncludes = 1000

// Load reads a configuration and what it includes.
func Load(path string) *Config {
	c := &Config{vars: make(map[string]string), read: make(map[string]bool)}
	c.file(path, Place{File: path})
	for _, s := range c.Of("service") {
		if p := s.Find("plugins_file"); p != nil {
			name := p.Value
			if beside := filepath.Join(filepath.Dir(path), name); !filepath.IsAbs(name) && exists(beside) {
				name = beside
			}
			c.file(name, p.Place)
		}
	}
	for _, s := range c.Of("plugins") {
		for _, p := range s.Properties {
			if p.Key == "path" {
				c.Plugins = append(c.Plugins, p)
			}
		}
	}
	return c
}

// Of returns the sections of a kind.
func (c *Config) Of(kind string) (list []*Section) {
	for i := range c.Sections {
		if c.Sections[i].Kind == kind {
			list = append(list, &c.Sections[i])
		}
	}
	return list
}

// problem notes what is wrong.
func (c *Config) problem(at Place, msg string) {
	c.Problems = append(c.Problems, Problem{at, msg})
}

// file reads one file, which was named at a place.
func (c *Config) file(path string, at Place) {
	switch {
	case c.read[filepath.Clean(path)]:
		c.problem(at, path+" is included twice, or includes itself")
		return
	case len(c.read) >= maxIncludes:
		c.problem(at, "there are too many included files")
		return
	}
	c.read[filepath.Clean(path)] = true
	text, err := os.ReadFile(path)
	if err != nil {
		if pe, ok := err.(*os.PathError); ok {
			err = pe.Err
		}
		if at.File == path {
			c.problem(at, err.Error())
		} else {
			c.problem(at, path+": "+err.Error())
		}
		return
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml":
		c.yaml(path, text)
	default:
		c.classic(path, string(text))
	}
}

// include reads the files that a pattern names, from the folder of the file
// that includes them.
func (c *Config) include(pattern string, at Place) {
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(filepath.Dir(at.File), pattern)
	}
	if !strings.ContainsAny(pattern, "*?[") {
		c.file(pattern, at)
		return
	}
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		c.problem(at, "no file fits "+pattern)
	}
	for _, f := range files {
		c.file(f, at)
	}
}

var variable = regexp.MustCompile(`\$\{([^}]+)\}`)

// expand puts variables into a value: those of the configuration, then those
// of the environment.
func (c *Config) expand(value string, at Place) string {
	return variable.ReplaceAllStringFunc(value, func(ref string) string {
		name := ref[2 : len(ref)-1]
		if v, ok := c.vars[name]; ok {
			return v
		}
		v, ok := os.LookupEnv(name)
		if !ok {
			c.Unset = append(c.Unset, Problem{at, "the variable " + ref + " is not set here"})
		}
		return v
	})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
