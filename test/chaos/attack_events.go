package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// attackRules are the shipped rules, and rules that the attack aims at: with an
// array among the terms, with terms as long as the attacker likes, and with an
// array that suppression groups by.
const attackRules = `
[rule]
rule_id = "5f0ac7a5-3a67-4d3e-8a55-6b6f2f0f2a01"
name = "Address, user and client"
type = "new_terms"
language = "kuery"
query = 'event.dataset: "kubernetes.audit_logs" and user_agent.original: *'
[rule.new_terms]
field = "new_terms_fields"
value = ["source.ip", "user.name", "user_agent.original"]
[[rule.new_terms.history_window_start]]
field = "history_window_start"
value = "now-10d"
---
[rule]
rule_id = "5f0ac7a5-3a67-4d3e-8a55-6b6f2f0f2a02"
name = "Request URI per user"
type = "new_terms"
language = "kuery"
query = 'event.dataset: "kubernetes.audit_logs" and kubernetes.audit.requestURI: */secrets*'
[rule.new_terms]
field = "new_terms_fields"
value = ["user.name", "kubernetes.audit.requestURI"]
[[rule.new_terms.history_window_start]]
field = "history_window_start"
value = "now-10d"
---
[rule]
rule_id = "5f0ac7a5-3a67-4d3e-8a55-6b6f2f0f2a03"
name = "Client, grouped by address"
type = "new_terms"
language = "kuery"
query = 'event.dataset: "kubernetes.audit_logs" and user_agent.original: *'
[rule.new_terms]
field = "new_terms_fields"
value = ["user_agent.original"]
[[rule.new_terms.history_window_start]]
field = "history_window_start"
value = "now-10d"
[rule.alert_suppression]
group_by = ["source.ip", "user.name"]
`

// hostile makes the lines of an attacker.
type hostile struct{ made int }

// request is an audit event of a request that the API server answered.
func request(user, agent, decision string, more map[string]any) map[string]any {
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	e := map[string]any{
		"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": agent, "stage": "ResponseComplete",
		"verb": "list", "requestURI": "/api/v1/secrets", "user": map[string]any{"username": user, "groups": []string{"system:authenticated"}},
		"sourceIPs": []string{"10.0.0.1"}, "userAgent": agent, "objectRef": map[string]any{"resource": "secrets"},
		"responseStatus": map[string]any{"code": 200}, "requestReceivedTimestamp": now, "stageTimestamp": now,
		"annotations": map[string]any{"authorization.k8s.io/decision": decision},
	}
	for k, v := range more {
		e[k] = v
	}
	return e
}

// text returns an event as a line of an audit log.
func text(e map[string]any) string {
	b, _ := json.Marshal(e) // maps of strings and numbers
	return string(b) + "\n"
}

// ordinary returns the i-th of forty events that come again and again.
func ordinary(i int) string {
	return text(request(fmt.Sprintf("system:serviceaccount:team-%d:app", i%20), fmt.Sprintf("app/%d", i%40), "allow",
		map[string]any{"requestURI": "/api/v1/namespaces/team/pods", "verb": "get"}))
}

// stolen returns the n-th use of the stolen token.
func stolen(n int) string {
	return text(request("system:serviceaccount:team-0:app", stolenAgent(n), "allow", nil))
}

func stolenAgent(n int) string { return fmt.Sprintf("STOLEN-%d", n) }

// flood returns one of many small requests, each with a client of its own.
func (h *hostile) flood() string {
	h.made++
	return text(request("system:anonymous", fmt.Sprintf("flood/%d", h.made), "forbid", nil))
}

// heavy returns a request that costs as much as the attacker can make it.
func (h *hostile) heavy() string {
	h.made++
	agent := fmt.Sprintf("heavy/%d", h.made)
	kinds := []func() string{
		func() string { // X-Forwarded-For
			return text(request("system:anonymous", agent+strings.Repeat("A", 50_000), "forbid", map[string]any{"sourceIPs": addresses(5000)}))
		},
		func() string { // long URI, times addresses
			return text(request("mallory", agent, "forbid", map[string]any{"requestURI": "/api/v1/secrets?x=" + strings.Repeat("A", 1_000_000), "sourceIPs": addresses(150)}))
		},
		func() string { // as Go writes an ampersand
			return strings.ReplaceAll(text(request("mallory", agent, "forbid", map[string]any{"requestURI": "/api/v1/secrets?" + strings.Repeat("~", 400_000)})), "~", `\u0026`)
		},
		func() string { // more addresses than anyone has
			return text(request("system:anonymous", agent, "forbid", map[string]any{"sourceIPs": addresses(80_000)}))
		},
		func() string { // many long terms
			return many(20, func(i int) map[string]any {
				return request("mallory", fmt.Sprintf("%s/%d", agent, i), "forbid", map[string]any{"requestURI": "/api/v1/secrets/" + strings.Repeat(strconv.Itoa(i), 50_000)})
			})
		},
		func() string { // an object of the attacker's, deep and broad
			return text(request("mallory", agent, "forbid", map[string]any{"requestObject": nested(200), "responseObject": map[string]any{"items": addresses(20_000)}}))
		},
		func() string { // looks like something else
			return text(request("mallory", `{"auditID":"forged","stage":"ResponseComplete"}`+agent, "allow", map[string]any{"verb": "get\n\x00\x1b[2J\u2028", "requestURI": "/api/v1/secrets/\u202e%s%n${HOME}"}))
		},
		func() string { // times that nobody has
			return text(request("mallory", agent, "allow", map[string]any{"requestReceivedTimestamp": "2199-01-01T00:00:00.000000Z", "stageTimestamp": "1970-01-01T00:00:00Z"}))
		},
		func() string { // an event in the text of an event
			return text(map[string]any{"log": text(request("mallory", agent, "allow", nil)), "stream": "stdout"})
		},
	}
	return kinds[h.made%len(kinds)]()
}

// broken returns lines that are no JSON, or cut.
func broken() string {
	return `{"auditID":"x","stage":` + "\n" + strings.Repeat("[", 100_000) + "\n\xff\x00{}\n"
}

func many(n int, make func(i int) map[string]any) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(text(make(i)))
	}
	return b.String()
}

// addresses returns n different addresses.
func addresses(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%d.%d.%d.%d", i>>18+1, i>>12&63+1, i>>6&63+1, i&63+1)
	}
	return list
}

func nested(depth int) any {
	var v any = "x"
	for range depth {
		v = map[string]any{"a": v}
	}
	return v
}
