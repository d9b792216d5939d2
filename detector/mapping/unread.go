package mapping

import (
	"bytes"
	"fmt"
	"strings"

	"fluent-bit-newterms/detector/record"
)

// Unread is why a record that looks like an audit event was not read as one.
type Unread uint8

// The reasons.
const (
	UnreadUnknown Unread = iota // it speaks of audit events and is in no form that is known
	UnreadText                  // a text that should hold it is no whole JSON
	UnreadBeside                // it is text in a record that holds more than wrapping
	UnreadLayers                // it is wrapped in too many layers
	UnreadPod                   // it came from the output of a pod, and pod_events is refuse
	UnreadReasons
)

// String returns the reason as a metric has it.
func (u Unread) String() string {
	return [...]string{"unknown_form", "broken_text", "beside_other_fields", "too_many_layers", "pod_output"}[u]
}

// Fix says what a user can do about it.
func (u Unread) Fix() string {
	switch u {
	case UnreadText:
		return "the text is cut or is no JSON: raise the input's buffer_max_size, join lines that were split, and leave escapes alone"
	case UnreadBeside:
		return "the record has other fields beside the text, so that the text may be anybody's: if it holds audit events only, name its key in log_key"
	case UnreadLayers:
		return "name the key of the text in log_key, or take wrappings off with a parser"
	case UnreadPod:
		return "keep pods' output away from this output's match, or set pod_events to accept"
	}
	return "if the record holds an audit event, name its key in log_key; else keep such records away from this output's match"
}

var eventMarks = [...][]byte{[]byte("auditID"), []byte(auditGroup)}

// noteUnread counts a record that looks like an audit event and is handed over
// as a document.
func (r *Reader) noteUnread(b []byte) {
	for _, mark := range eventMarks {
		if bytes.Contains(b, mark) {
			r.stats.Unread[r.why]++
			break
		}
	}
	r.why = UnreadUnknown
}

// ParsePodEvents reads the value of the property "pod_events"; "" is accept.
func ParsePodEvents(s string) (refuse bool, err error) {
	switch strings.ToLower(s) {
	case "", "accept":
		return false, nil
	case "refuse":
		return true, nil
	}
	return false, fmt.Errorf("%q says nothing about events in the output of pods: use accept or refuse", s)
}

// podMarks are the slots that tell whose output a record is.
type podMarks struct{ pods, namespaces []int32 }

func (p *Plan) podMarks() (m podMarks) {
	for _, at := range [...][]string{{"kubernetes", "pod_name"}, {"kubernetes", "pod", "name"}, {"k8s", "pod", "name"}} {
		m.pods = append(m.pods, p.layout.Want(at...))
	}
	for _, at := range [...][]string{{"kubernetes", "namespace_name"}, {"kubernetes", "namespace"}, {"k8s", "namespace", "name"}} {
		m.namespaces = append(m.namespaces, p.layout.Want(at...))
	}
	return m
}

// apiServers are the namespaces that API servers run in, and how the names of
// their pods begin.
var apiServers = [...]struct{ namespace, pod string }{
	{"kube-system", "kube-apiserver-"},
	{"openshift-kube-apiserver", "kube-apiserver-"},
	{"openshift-apiserver", "apiserver-"},
	{"openshift-oauth-apiserver", "apiserver-"},
}

// in tells whether a record is the output of a pod that is no API server.
func (m *podMarks) in(v *record.View) bool {
	for k, slot := range m.pods {
		if v.Slot(slot) == 0 {
			continue
		}
		pod, namespace := textIn(v, slot), textIn(v, m.namespaces[k])
		for _, s := range apiServers {
			if namespace == s.namespace && strings.HasPrefix(pod, s.pod) {
				return false
			}
		}
		return true
	}
	return false
}
