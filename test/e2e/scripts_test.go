package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"fluent-bit-newterms/test/scripts"

	"fluent-bit-newterms/test/fluentbit"
)

// TestHostScripts runs the scripts of what Elastic documents through the plugin
// in the host. Everything goes in one chunk, but for the lulls of a script that
// is paced.
func TestHostScripts(t *testing.T) {
	t.Parallel()
	for _, s := range scripts.Read(t, filepath.Join(fluentbit.Root, "test/testdata/elastic"), "host") {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel() // they wait, mostly
			dir := s.Write(t)
			// What a rule says of its own, such as learn, goes before these.
			properties := []string{"Rules " + filepath.Join(dir, "rule.toml")}
			if s.Has("exceptions.toml") {
				properties = append(properties, "Exceptions "+filepath.Join(dir, "exceptions.toml"))
			}
			config := fluentbit.AlertsInput("alert.newterms") + fluentbit.Detector("app", filepath.Join(dir, "state"), properties...)

			steps := []string{"tag=app", "time-key=" + s.TimeKey()}
			events, from := s.Events(), 0
			flush := func(to int) {
				path := filepath.Join(dir, fmt.Sprintf("events%d", from))
				if err := os.WriteFile(path, append(bytes.Join(events[from:to], []byte("\n")), '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
				steps, from = append(steps, "events="+path), to
			}
			for _, lull := range s.Lulls(t) {
				flush(lull.Before)
				steps = append(steps, fmt.Sprintf("sleep=%d", lull.Wait.Milliseconds()))
			}
			flush(len(events))
			// Alerts leave the outbox half a second after they were handed over,
			// and one too many may come after the last that is wanted.
			steps = append(steps, fmt.Sprintf("records=%d", s.Alerts()), "sleep=800")
			run := runHost(t, config, steps...).well(t)
			var got []map[string]any
			for _, line := range run.bodies {
				got = append(got, scripts.Decode(t, line))
			}
			s.Compare(t, got, true)
		})
	}
}
