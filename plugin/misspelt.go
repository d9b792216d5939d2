package main

import (
	"slices"
	"sort"
	"strings"
)

// Core accepts any property and does not tell a plugin which ones it was
// given: a misspelt one would be ignored without a word. But it does answer
// whether a given name is set. So the names that somebody might have written
// instead of a known one are asked for, one by one: some 25,000 at a string
// comparison or two each.

// nearMisses is the names that could be misspellings of known properties.
type nearMisses struct {
	names []byte   // one after the other, each ended by a NUL
	meant []string // the known properties, in the order of names
	ends  []int    // by index of meant: where its misspellings end in names
}

// synonyms are names of other tools, older habits and singulars that are
// further than one letter from what they mean.
var synonyms = map[string][]string{
	"rules":            {"rule_path", "rule_file", "rule_files", "rule_dir", "rules_path", "rules_file", "rules_files", "rules_dir", "rules_folder", "path"},
	"query":            {"kql", "filter", "expression"},
	"new_terms_fields": {"new_terms", "new_terms_field", "terms", "term", "terms_fields", "field", "fields"},
	"history_window":   {"window", "history", "history_window_start", "history_window_size"},
	"rule_name":        {"name_of_rule", "title"},
	"risk_score":       {"risk", "score"},
	"mapping":          {"map", "shape", "schema", "ecs"},
	"log_key":          {"key", "message_key"},
	"geoip_asn":        {"geoip", "geoip_database", "asn_database", "geoip_as", "asn"},
	"geoip_city":       {"geoip_country", "city_database", "geoip_db", "geo", "city"},
	"state_path":       {"state", "state_dir", "state_file", "state_folder", "statepath", "db", "db_path"},
	"max_terms":        {"terms_max", "max_tuples", "max_entries"},
	"learn":            {"learning", "learn_for", "learning_period"},
	"max_alerts":       {"max_signals", "alerts_max", "limit"},
	"interval":         {"alert_interval", "period"},
	"exceptions":       {"exception_list", "exceptions_list", "exclude"},
	"alert_tag":        {"tag", "alerts_tag", "output_tag"},
	"alert_file":       {"file", "alerts_file", "output_file"},
	"alert_stdout":     {"stdout", "alerts_stdout"},
	"alert_forward":    {"forward", "alerts_forward", "alert_forward_host", "alert_forward_address", "forward_to"},

	"alert_forward_tls":           {"alert_forward.tls"},
	"alert_forward_tls_verify":    {"alert_forward.tls.verify", "alert_forward_verify"},
	"alert_forward_tls_ca_file":   {"alert_forward.tls.ca_file", "alert_forward_ca_file", "alert_forward_tls_ca"},
	"alert_forward_tls_crt_file":  {"alert_forward.tls.crt_file", "alert_forward_crt_file", "alert_forward_tls_cert_file"},
	"alert_forward_tls_key_file":  {"alert_forward.tls.key_file", "alert_forward_key_file", "alert_forward_tls_key_passwd"},
	"alert_forward_tls_vhost":     {"alert_forward.tls.vhost", "alert_forward_vhost", "alert_forward_tls_server_name"},
	"alert_forward_shared_key":    {"shared_key", "alert_forward_key"},
	"alert_forward_self_hostname": {"self_hostname", "alert_forward_hostname"},
	"alert_forward_user":          {"username", "alert_forward_username"},
	"alert_forward_password":      {"password", "alert_forward_passwd"},
	"alert_forward_timeout":       {"alert_forward_ack_timeout", "ack_timeout"},
	"min_severity":                {"minimum_severity", "severity_min"},
}

// ownedByCore are properties that core takes for itself, so that a plugin
// never sees them, and that are right even if they look like one of ours.
var ownedByCore = []string{
	"name", "match", "match_regex", "alias", "log_level",
	"log_suppress_interval", "host", "port", "ipv6", "retry_limit", "workers",
	"routes", "processors", "mem_buf_limit", "threaded", "routable",
}

// nearMissesOf returns the near misses of the properties known: every name at
// one edit from a known one, the same with other or no separators, and
// synonyms. Names that mean something by themselves are left out.
func nearMissesOf(known []string) nearMisses {
	taken := make(map[string]bool, len(known)+len(ownedByCore))
	for _, name := range slices.Concat(known, ownedByCore) {
		taken[name] = true
	}
	m := nearMisses{names: make([]byte, 0, 16<<10*(1+len(known)/2))}
	add := func(name string) {
		if name != "" && !taken[name] {
			m.names = append(append(m.names, name...), 0)
		}
	}
	for _, name := range known {
		addEdits(name, add)
		add(strings.ReplaceAll(name, "_", "-"))
		add(strings.ReplaceAll(name, "_", "."))
		add(strings.ReplaceAll(name, "_", ""))
		for _, s := range synonyms[name] {
			add(s)
		}
		m.meant = append(m.meant, name)
		m.ends = append(m.ends, len(m.names))
	}
	return m
}

// addEdits calls add with every string at one edit from name: a character
// dropped, two neighbours exchanged, one replaced, or one put in. Case does
// not matter to core.
func addEdits(name string, add func(string)) {
	const alphabet = "abcdefghijklmnopqrstuvwxyz_-"
	buf := make([]byte, 0, len(name)+1)
	for i := range len(name) {
		buf = append(append(buf[:0], name[:i]...), name[i+1:]...)
		add(string(buf))
		if i > 0 && name[i-1] != name[i] {
			buf = append(buf[:0], name...)
			buf[i-1], buf[i] = buf[i], buf[i-1]
			add(string(buf))
		}
		for j := range len(alphabet) {
			buf = append(buf[:0], name...)
			buf[i] = alphabet[j]
			if alphabet[j] != name[i] {
				add(string(buf))
			}
		}
	}
	for i := range len(name) + 1 {
		for j := range len(alphabet) {
			buf = append(append(append(buf[:0], name[:i]...), alphabet[j]), name[i:]...)
			add(string(buf))
		}
	}
}

// at returns the near miss at offset, and the property that it may mean.
func (m *nearMisses) at(offset int) (name, meant string) {
	name, _, _ = strings.Cut(string(m.names[offset:min(len(m.names), offset+128)]), "\x00")
	i := sort.SearchInts(m.ends, offset+1)
	return name, m.meant[i]
}
