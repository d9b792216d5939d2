package fluentbit

import (
	"os"
	"path/filepath"
	"strings"
)

// Prelude is what every configuration begins with.
func Prelude(dir string) string {
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			panic(err)
		}
		return path
	}
	plugins := write("plugins.conf", "[PLUGINS]\n    Path "+Plugin+"\n    Path "+Plugin+"\n")
	parsers := write("parsers.conf", `[PARSER]
    Name        audit
    Format      json
    Time_Key    requestReceivedTimestamp
    Time_Format %Y-%m-%dT%H:%M:%S.%LZ
    Time_Keep   On
`)
	return "[SERVICE]\n    Flush 0.2\n    Grace 5\n    Log_Level info\n    Plugins_File " + plugins + "\n    Parsers_File " + parsers + "\n"
}

// SeedAlerts is how many combinations of the seed rule the audit log holds.
const SeedAlerts = 45

// Tail is an input of the audit log.
func Tail(path string) string {
	return `
[INPUT]
    Name             tail
    Path             ` + path + `
    Tag              kube.audit
    Parser           audit
    Read_from_Head   On
    Buffer_Max_Size  1M
`
}

// AlertsInput is an input of alerts; more are further lines of its section.
func AlertsInput(tag string, more ...string) string {
	return Section("INPUT", append([]string{"Name newterms_alerts", "Tag " + tag}, more...)...)
}

// Detector is an output with learning off; more are further lines.
func Detector(match, state string, more ...string) string {
	return Section("OUTPUT", append([]string{"Name newterms", "Match " + match, "State_Path " + state, "Learn off", "Workers 1"}, more...)...)
}

// ToFile is a file output.
func ToFile(match, path string) string {
	return Section("OUTPUT", "Name file", "Match "+match, "Path "+filepath.Dir(path), "File "+filepath.Base(path), "Format plain")
}

// Section is a section of a classic configuration file.
func Section(kind string, lines ...string) string {
	return "\n[" + kind + "]\n    " + strings.Join(lines, "\n    ") + "\n"
}
