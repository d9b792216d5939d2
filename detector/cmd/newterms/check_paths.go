package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"fluent-bit-newterms/detector"
	"fluent-bit-newterms/detector/cmd/newterms/fbconfig"
)

// paths checks the files and folders that an output names: whether they are
// there, whether they can be used, and who else can write or read them.
func (k *configCheck) paths(s *fbconfig.Section, c *detector.Config) {
	at := s.At("state_path")
	if other, twice := k.states[filepath.Clean(c.StatePath)]; twice {
		k.say(levelError, at, "state_path: %s is also that of the output at %s; give each newterms output a folder of its own", c.StatePath, other)
	}
	k.states[filepath.Clean(c.StatePath)] = at
	k.writable(at, "state_path", c.StatePath)
	if c.AlertFile != "" {
		k.writable(s.At("alert_file"), "alert_file", filepath.Dir(c.AlertFile))
	}
	for _, list := range []struct {
		key   string
		paths []string
	}{{"rules", c.Rules}, {"exceptions", c.Exceptions}} {
		for _, path := range list.paths {
			if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
				k.say(levelWarning, s.At(list.key), "%s: anyone may write to %s (mode %s), and so switch rules off; chmod o-w", list.key, path, info.Mode().Perm())
			}
		}
	}
	for _, p := range s.Properties {
		switch p.Key {
		case "alert_forward_tls_ca_file", "alert_forward_tls_crt_file", "alert_forward_tls_key_file",
			"state_store_tls_ca_file", "state_store_tls_crt_file", "state_store_tls_key_file":
			if err := readable(p.Value); err != nil {
				k.say(levelError, p.Place, "%s: %s: %v", p.Key, p.Value, err)
			}
			info, err := os.Stat(p.Value)
			if err == nil && isKey(p.Key) && info.Mode().Perm()&0o077 != 0 {
				k.say(levelWarning, p.Place, "%s: others may read %s (mode %s); chmod 600", p.Key, p.Value, info.Mode().Perm())
			}
		}
	}
}

func isKey(property string) bool {
	return property == "alert_forward_tls_key_file" || property == "state_store_tls_key_file"
}

// writable checks a folder that is made if it is not there. Fluent Bit may run
// as another user, so that it cannot be written by this one is only noted.
func (k *configCheck) writable(at fbconfig.Place, key, dir string) {
	have := dir
	info, err := os.Stat(have)
	for err != nil && have != filepath.Dir(have) {
		have = filepath.Dir(have)
		info, err = os.Stat(have)
	}
	switch {
	case err != nil:
		k.say(levelError, at, "%s: %s: %v", key, have, plainError(err))
	case !info.IsDir():
		k.say(levelError, at, "%s: %s is no folder", key, have)
	case unix.Access(have, unix.W_OK|unix.X_OK) != nil:
		k.say(levelNote, at, "%s: %s cannot be written by the user that runs this check", key, have)
	case have == dir && info.Mode().Perm()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0:
		k.say(levelWarning, at, "%s: anyone may write to %s (mode %s); chmod o-w", key, dir, info.Mode().Perm())
	}
}

// readable tells why a file cannot be read, nil if it can.
func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return plainError(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return fmt.Errorf("is a folder")
	}
	return nil
}

// plainError takes the operation and the path off an error of the file system.
func plainError(err error) error {
	if pe, ok := err.(*fs.PathError); ok {
		return pe.Err
	}
	return err
}
