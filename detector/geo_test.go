package detector

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"fluent-bit-newterms/test/mmdb"
)

// TestGeoReload: the databases of addresses are properties, and are read again
// when they change. One that cannot be read is logged once, and the one from
// before stays in use.
func TestGeoReload(t *testing.T) {
	dir := t.TempDir()
	rules, db, out := filepath.Join(dir, "rules", "a.toml"), filepath.Join(dir, "asn.mmdb"), filepath.Join(dir, "alerts")
	put(t, rules, strings.Replace(ruleText("Network", "event.dataset: app and source.as.number: *"), "user.name", "source.as.number", 1))
	mmdb.ASN(t, db, map[string]uint32{"192.0.2.0/24": 64500})
	d, h := openDetector(t, settings{"rules": rules, "geoip_asn": db, "alert_file": out, "learn": "off"})
	sent := 0
	// Many events, so that the worker reads them through its specialization
	// and answers from its results.
	flush := func() {
		t.Helper()
		for range 3 {
			var chunk []byte
			for range 400 {
				sent++
				now := time.Now()
				chunk = msgp.AppendArrayHeader(chunk, 2)
				chunk = msgp.AppendArrayHeader(chunk, 2)
				chunk = append(chunk, 0xce, byte(now.Unix()>>24), byte(now.Unix()>>16), byte(now.Unix()>>8), byte(now.Unix()))
				chunk = msgp.AppendMapHeader(chunk, 0)
				chunk, _ = msgp.AppendIntf(chunk, map[string]any{"event": map[string]any{"dataset": "app", "kind": "event"},
					"source": map[string]any{"ip": "192.0.2.7"}})
			}
			if code := d.Flush("app", chunk); code != OK {
				t.Fatalf("code %d", code)
			}
		}
	}
	alerts := func(numbers ...int) {
		t.Helper()
		eventually(t, fmt.Sprint(len(numbers), " alerts"), func() bool { return len(linesOf(t, out)) >= len(numbers) })
		lines := linesOf(t, out)
		if len(lines) != len(numbers) {
			t.Fatalf("%d alerts, want %v:\n%s", len(lines), numbers, strings.Join(lines, "\n"))
		}
		for i, n := range numbers {
			if !strings.Contains(lines[i], fmt.Sprintf(`"kibana.alert.new_terms":[%d]`, n)) || !strings.Contains(lines[i], fmt.Sprintf(`"number":%d`, n)) {
				t.Errorf("alert %d is not of %d: %s", i, n, lines[i])
			}
		}
	}
	flush()
	alerts(64500)

	mmdb.ASN(t, db, map[string]uint32{"192.0.2.0/24": 64501})
	lookTwice(d)
	if !h.logged("a changed database of addresses is in use") {
		t.Errorf("log %q", h.lines)
	}
	flush()
	alerts(64500, 64501)

	if err := os.WriteFile(db, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	lookTwice(d)
	lookTwice(d)
	said := 0
	for _, line := range h.lines {
		if strings.Contains(line, "the one from before stays in use") && strings.Contains(line, "geoip_asn") {
			said++
		}
	}
	if said != 1 {
		t.Errorf("said %d times: %q", said, h.lines)
	}
	flush()
	alerts(64500, 64501)
}

// TestGeoRefused: a database that cannot be read stops the start.
func TestGeoRefused(t *testing.T) {
	for _, name := range []string{"geoip_asn", "geoip_city"} {
		_, err := ParseConfig(settings{"rules": "r", name: filepath.Join(t.TempDir(), "absent.mmdb")})
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "absent.mmdb") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
