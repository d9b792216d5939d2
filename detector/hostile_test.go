package detector

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	jsoniter "github.com/json-iterator/go"

	"fluent-bit-newterms/detector/limits"
)

// hostileTexts are what an attacker may choose as a name.
var hostileTexts = []struct{ name, text string }{
	{"a megabyte", strings.Repeat("A", 1<<20)},
	{"a newline", "a\nb\r\nc"},
	{"quotes", `"quoted" and 'so' and \`},
	{"an end of the document", `"}` + "\n" + `{"kibana.alert.uuid":"forged"}`},
	{"control characters", "\x00\x01\x1b[31mred\x7f\u0085"},
	{"separators of lines", "a\u2028b\u2029c"},
	{"not UTF-8", "\xff\xfe\xc0\xaf"},
	{"half a rune", "a\xe2\x82"},
	{"marks of the template", "{rule_id}{severity}{tag}%s%n${HOME}"},
	{"a path", "../../../../etc/passwd"},
	{"an override of the direction", "user\u202Egnp.exe"},
	{"empty", ""},
	{"a tag", "kube.audit alert.* **"},
	{"JSON", `{"a":[1,2]}`},
}

// TestHostileTexts: whatever a term holds, an alert is one line, valid JSON,
// of its own uuid, and says what was there; nothing of it gets into a log line
// as it is.
func TestHostileTexts(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "alerts")
	d, h := openDetector(t, inlineSettings.with("query", "event.dataset: app", "new_terms_fields", "user.name", "learn", "off",
		"alert_file", out, "alert_tag", "alert.{rule_id}.{tag}", "state_path", filepath.Join(dir, "state")))
	for i, x := range hostileTexts {
		d.Flush("kube."+x.text[:min(len(x.text), 100)], chunkOf(time.Now(), x.text))
		eventually(t, x.name, func() bool { return len(linesOf(t, out)) == i+1 })
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	uuids := make(map[string]bool)
	lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	for i, line := range lines {
		x := hostileTexts[i]
		var a struct {
			UUID  string   `json:"kibana.alert.uuid"`
			Terms []string `json:"kibana.alert.new_terms"`
		}
		if !utf8.Valid(line) {
			t.Errorf("%s: the line is not UTF-8", x.name)
		}
		if err := jsoniter.Unmarshal(line, &a); err != nil {
			t.Errorf("%s: %v in %.200q", x.name, err, line)
			continue
		}
		if a.UUID == "" || a.UUID == "forged" || uuids[a.UUID] {
			t.Errorf("%s: its uuid is %q", x.name, a.UUID)
		}
		uuids[a.UUID] = true
		// A long term is shown as what is kept of it.
		want := x.text
		if len(want) > limits.Term {
			sum := sha256.Sum256([]byte(want))
			want = fmt.Sprintf("%s… (%d bytes, sha256 %x…)", want[:limits.Term-64], len(want), sum[:16])
		}
		if utf8.ValidString(x.text) && (len(a.Terms) != 1 || a.Terms[0] != want) {
			t.Errorf("%s: the terms are %.200q", x.name, a.Terms)
		}
		for _, b := range line {
			if b < ' ' {
				t.Errorf("%s: byte %#x in the line", x.name, b)
				break
			}
		}
	}
	if len(lines) != len(hostileTexts) {
		t.Errorf("%d lines, want %d", len(lines), len(hostileTexts))
	}
	for _, line := range h.lines {
		if strings.ContainsAny(line, "\x00\n\x1b") {
			t.Errorf("a log line holds %.200q", line)
		}
	}
	// All of them are known after a restart.
	d, _ = openDetector(t, inlineSettings.with("query", "event.dataset: app", "new_terms_fields", "user.name", "learn", "off",
		"alert_file", out, "state_path", filepath.Join(dir, "state")))
	for _, x := range hostileTexts {
		d.Flush("kube.audit", chunkOf(time.Now(), x.text))
	}
	if n := d.engine.Counts().Alerts.Load(); n != 0 {
		t.Errorf("%d alerts after a restart", n)
	}
}

// TestHostileFlood: a flood of long names stays inside the bounds of memory
// and disk, and costs nobody else a place.
func TestHostileFlood(t *testing.T) {
	dir := t.TempDir()
	d, _ := openDetector(t, inlineSettings.with("query", "event.dataset: app", "new_terms_fields", "user.name", "learn", "off",
		"max_terms", "1000", "alert_file", filepath.Join(dir, "alerts"), "state_path", filepath.Join(dir, "state")))
	long := strings.Repeat("x", 20_000)
	for i := range 30 {
		var names []string
		for j := range 100 {
			names = append(names, fmt.Sprintf("%s %d", long, i*100+j))
		}
		d.Flush("kube.audit", chunkOf(time.Now(), names...))
	}
	if n := d.engine.Known(); n > 1000 {
		t.Errorf("%d tuples are known, more than max_terms", n)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "state", "journal"))
	if err != nil {
		t.Fatal(err)
	}
	if limit := int64(3 * 1000 * len(long)); info.Size() > limit {
		t.Errorf("the state is %d bytes for 1000 tuples of %d", info.Size(), len(long))
	}
}
