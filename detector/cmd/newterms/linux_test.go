package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tetragonExec is an event of Tetragon's export file, falcoExec a report of Falco,
// on the start of the same program.
func tetragonExec(parent, binary, arguments string) string {
	b, _ := json.Marshal(map[string]any{"node_name": "node1", "time": "2026-11-01T10:00:00.000000000Z", "process_exec": map[string]any{
		"process": map[string]any{"exec_id": "bm9kZTE6Mg==", "pid": 4711, "uid": 33, "cwd": "/srv", "binary": binary, "arguments": arguments,
			"flags": "execve clone", "start_time": "2026-11-01T10:00:00.000000000Z", "parent_exec_id": "bm9kZTE6MQ==",
			"pod": map[string]any{"namespace": "shop", "name": "web-1", "container": map[string]any{"id": "containerd://c1", "name": "web"}}},
		"parent": map[string]any{"exec_id": "bm9kZTE6MQ==", "pid": 4700, "uid": 33, "cwd": "/srv", "binary": parent, "arguments": "-D"},
	}})
	return string(b)
}

func falcoExec(parent, binary, arguments string) string {
	name := filepath.Base(binary)
	b, _ := json.Marshal(map[string]any{"hostname": "node1", "output": "program started", "priority": "Debug", "rule": "Program started",
		"source": "syscall", "tags": []any{}, "time": "2026-11-01T10:00:00.000000000Z", "output_fields": map[string]any{
			"evt.type": "execve", "proc.name": name, "proc.exepath": binary, "proc.cmdline": strings.TrimSpace(name + " " + arguments), "proc.args": arguments,
			"proc.cwd": "/srv", "proc.pid": 4711, "proc.pname": filepath.Base(parent), "proc.pexepath": parent, "proc.pcmdline": filepath.Base(parent) + " -D",
			"user.name": "www-data", "user.uid": 33, "container.id": "c1"}})
	return string(b)
}

// sshd is an entry of the journal, as the systemd input and journalctl -o json
// have it.
func sshd(message string) string {
	b, _ := json.Marshal(map[string]any{"_HOSTNAME": "db1", "_MACHINE_ID": "0123456789abcdef0123456789abcdef", "_COMM": "sshd", "_EXE": "/usr/sbin/sshd",
		"_PID": "4711", "_UID": "0", "_TRANSPORT": "syslog", "_SYSTEMD_UNIT": "ssh.service", "SYSLOG_IDENTIFIER": "sshd", "SYSLOG_FACILITY": "4",
		"PRIORITY": "6", "__REALTIME_TIMESTAMP": "1793527200000000", "MESSAGE": message})
	return string(b)
}

// TestLinuxRules: Elastic's rules on SSH logins and on processes of Linux run on
// raw events of the journal, Tetragon and Falco.
func TestLinuxRules(t *testing.T) {
	const rules = "../../../../shared/data/rules/"
	if _, err := os.Stat(rules); err != nil {
		t.Skip("no rules beside the repository: ", err)
	}
	for _, test := range []struct {
		rule   string
		events []string
		want   []string
	}{
		{"initial_access_successful_ssh_authentication_by_unusual_ip", []string{
			sshd("Accepted publickey for alice from 192.0.2.7 port 50022 ssh2: ED25519 SHA256:abc"),
			sshd("Accepted password for bob from 192.0.2.7 port 50023 ssh2"),
			sshd("Failed password for bob from 198.51.100.9 port 50024 ssh2"),
			sshd("Failed password for invalid user x from 203.0.113.5 port 1 ssh2 from 198.51.100.1 port 50025 ssh2"),
			sshd("Accepted keyboard-interactive/pam for carol from 2001:db8::7 port 50026 ssh2"),
			sshd("Connection closed by authenticating user root 198.51.100.10 port 50027 [preauth]"),
		}, []string{"[192.0.2.7]", "[2001:db8::7]"}},
		{"initial_access_first_time_public_key_authentication", []string{
			sshd("Accepted publickey for alice from 192.0.2.7 port 50022 ssh2: ED25519 SHA256:abc"),
			sshd("Accepted publickey for alice from 192.0.2.8 port 50023 ssh2: ED25519 SHA256:abc"),
			sshd("Accepted publickey for alice from 192.0.2.7 port 50024 ssh2: RSA SHA256:def"),
			sshd("Accepted password for alice from 192.0.2.7 port 50025 ssh2"),
		}, []string{"[ED25519 SHA256:abc]", "[RSA SHA256:def]"}},
		{"discovery_linux_system_owner_user_discovery", []string{
			tetragonExec("/usr/sbin/nginx", "/usr/bin/id", "-u"), tetragonExec("/usr/sbin/nginx", "/usr/bin/id", "-u"), tetragonExec("/usr/sbin/nginx", "/usr/bin/ls", "-l"),
		}, []string{"[/usr/sbin/nginx -u node1]"}},
		{"discovery_linux_system_owner_user_discovery", []string{
			falcoExec("/usr/sbin/nginx", "/usr/bin/id", "-u"), falcoExec("/usr/sbin/nginx", "/usr/bin/id", "-u"), falcoExec("/usr/sbin/nginx", "/usr/bin/ls", "-l"),
		}, []string{"[/usr/sbin/nginx id -u node1]"}},
		{"privilege_escalation_shadow_file_read", []string{
			tetragonExec("/bin/bash", "/usr/bin/cat", "/etc/shadow"), tetragonExec("/bin/bash", "/usr/bin/cat", "/etc/passwd"),
		}, []string{"[/usr/bin/cat]"}},
		{"privilege_escalation_shadow_file_read", []string{
			falcoExec("/bin/bash", "/usr/bin/cat", "/etc/shadow"), falcoExec("/bin/bash", "/usr/bin/cat", "/etc/passwd"),
		}, []string{"[/usr/bin/cat]"}},
		{"defense_evasion_kill_command_executed", []string{
			tetragonExec("/tmp/x", "/usr/bin/pkill", "-9 falco"), tetragonExec("/usr/lib/systemd/systemd", "/usr/bin/pkill", "-9 falco"),
		}, []string{"[node1 /tmp/x]"}},
		{"defense_evasion_kill_command_executed", []string{
			falcoExec("/tmp/x", "/usr/bin/pkill", "-9 falco"), falcoExec("/usr/lib/systemd/systemd", "/usr/bin/pkill", "-9 falco"),
		}, []string{"[node1 /tmp/x]"}},
	} {
		file := filepath.Join(t.TempDir(), "events.jsonl")
		if err := os.WriteFile(file, []byte(strings.Join(test.events, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		if code := run([]string{"replay", "-q", "--learn", "off", "--rules", rules + test.rule + ".toml", file}, strings.NewReader(""), &out, &errs); code != 0 {
			t.Fatalf("exit %d: %s", code, errs.String())
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			var a map[string]any
			if err := json.Unmarshal([]byte(line), &a); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(a["kibana.alert.new_terms"]))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.rule, got, test.want)
		}
	}
}

// TestMappingTypo: a mistake in a mapping of the user's is answered with its place
// and what to write.
func TestMappingTypo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.toml")
	if err := os.WriteFile(file, []byte("[mapping]\nname = 'app'\ndataset = 'app.log'\ndetect = 'appEvent: *'\n[fields]\nsource.ip = { from = 'peer', az = 'ip' }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code := run([]string{"query", "--mapping", file, "*", "-"}, strings.NewReader("{}\n"), &out, &errs)
	if text := errs.String(); code != 2 || !strings.Contains(text, file+":6:") || !strings.Contains(text, `"az"`) || !strings.Contains(text, "as") {
		t.Errorf("exit %d, %s", code, text)
	}
}
