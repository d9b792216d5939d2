package mapping

import "strings"

// source says where a raw audit event keeps an ECS field.
type source struct {
	path  []string // in the event; nil if the value is not in it as such
	value string   // the same for every event
	from  derived  // made from other fields
	// above and below are places in Google Cloud's envelope that go before
	// and after path; neither is in a bare event.
	above, below []string
	// agent: the data stream or the agent says it, not the pipeline.
	agent bool
	// byDefault: what the record itself says goes first.
	byDefault bool
}

// derived are the fields that are no copy of one other.
type derived uint8

const (
	copied derived = iota
	outcome
	relatedUser
	relatedIP
)

// Dataset is the data stream of the Kubernetes integration's audit logs.
const Dataset = "kubernetes.audit_logs"

// audit is where an event lies in its document.
const audit = "kubernetes.audit."

// sources gives the ECS fields that the ingest pipeline adds to an event, and
// those that data stream and agent add. Everything else keeps its name under
// kubernetes.audit.
//
// The pipeline leaves source.ip unset if any of sourceIPs is no address, and
// related.ip if sourceIPs is no array. No API server writes such events, so
// neither is tested for: a detection should not go blind over them.
//
// Source: the Kubernetes integration, data_stream/audit_logs, ingest pipeline.
var sources = map[string]source{
	"event.kind":                 {value: "event"},
	"event.action":               {path: []string{"verb"}},
	"event.outcome":              {from: outcome},
	"event.dataset":              {value: Dataset, agent: true},
	"event.module":               {value: "kubernetes", agent: true},
	"data_stream.type":           {value: "logs", agent: true},
	"data_stream.dataset":        {value: Dataset, agent: true},
	"data_stream.namespace":      {value: "default", agent: true, byDefault: true},
	"host.os.type":               {value: "linux", agent: true, byDefault: true},
	"user.name":                  {path: []string{"user", "username"}},
	"user.id":                    {path: []string{"user", "uid"}},
	"user_agent.original":        {path: []string{"userAgent"}},
	"source.ip":                  {path: []string{"sourceIPs"}},
	"client.ip":                  {path: []string{"sourceIPs"}},
	"orchestrator.type":          {value: "kubernetes"},
	"orchestrator.api_version":   {path: []string{"apiVersion"}},
	"orchestrator.resource.type": {path: []string{"objectRef", "resource"}, above: []string{"resource", "type"}},
	"orchestrator.resource.name": {path: []string{"objectRef", "name"}, below: []string{"protoPayload", "resourceName"}},
	"orchestrator.namespace":     {path: []string{"objectRef", "namespace"}},
	"orchestrator.cluster.name":  {above: []string{"resource", "labels", "cluster_name"}},
	"orchestrator.cluster.id":    {above: []string{"resource", "labels", "project_id"}},
	"related.user":               {from: relatedUser},
	"related.ip":                 {from: relatedIP},
}

// renames are the names of Google Cloud's envelope that stand in for an
// event's own where that is absent.
var renames = []struct{ from, to []string }{
	{[]string{"insertId"}, []string{"auditID"}},
	{[]string{"receiveTimestamp"}, []string{"requestReceivedTimestamp"}},
	{[]string{"timestamp"}, []string{"stageTimestamp"}},
	{[]string{"protoPayload", "status", "code"}, []string{"responseStatus", "code"}},
	{[]string{"labels"}, []string{"annotations"}},
}

var decisionPath = []string{"annotations", "authorization_k8s_io/decision"}

// eventNames are the names that an audit event has at its top, and entryNames
// those of a log entry of Google Cloud. What else lies there was put beside
// the event by a filter on its way (host, cluster, a pod's kubernetes), and
// stays where it is, as what an agent adds does.
//
// Source: k8s.io/apiserver, pkg/apis/audit; Google Cloud's LogEntry.
var (
	eventNames = names(`kind apiVersion level auditID stage requestURI verb user impersonatedUser
		authenticationMetadata sourceIPs userAgent objectRef responseStatus requestObject responseObject
		requestReceivedTimestamp stageTimestamp annotations metadata timestamp`)
	entryNames = names(`protoPayload insertId resource timestamp receiveTimestamp severity logName operation
		labels trace traceSampled spanId httpRequest sourceLocation split errorGroups apphub metadata`)
)

func names(list string) map[string]bool {
	m := make(map[string]bool)
	for _, name := range strings.Fields(list) {
		m[name] = true
	}
	return m
}

// own tells whether a name, or a path, at the top of a record of the given
// shape is the event's.
func own(s shape, path string) bool {
	head, _, _ := strings.Cut(path, ".")
	return eventNames[head] || s == gkeShape && entryNames[head]
}

// splitRaw splits a path inside an event. An annotation's name is one name,
// whatever dots it has: they are underscores.
func splitRaw(path string) []string {
	if name, ok := strings.CutPrefix(path, "annotations."); ok {
		return []string{"annotations", strings.ReplaceAll(name, ".", "_")}
	}
	return strings.Split(path, ".")
}

// splitECS is splitRaw for a path in a document.
func splitECS(path string) []string {
	if rest, ok := strings.CutPrefix(path, audit); ok {
		return append([]string{"kubernetes", "audit"}, splitRaw(rest)...)
	}
	return strings.Split(path, ".")
}

// noMetadata are the objects whose metadata the pipeline drops.
var noMetadata = [...]string{"responseObject", "requestObject"}

// dropped tells whether the pipeline removes the path of an event.
func dropped(path string) bool {
	for _, object := range noMetadata {
		p := object + ".metadata"
		if path == p || strings.HasPrefix(path, p+".") {
			return true
		}
	}
	return false
}

// under returns what of path lies below base, both as names. ok is false if
// path leads elsewhere.
func under(path, base []string) (rest []string, ok bool) {
	if len(path) < len(base) {
		return nil, false
	}
	for i, name := range base {
		if path[i] != name {
			return nil, false
		}
	}
	return path[len(base):], true
}

// aksRenames are the names of Azure's envelope that aks_metadata has
// differently. The rest of the envelope keeps its names there; properties.log
// is the event.
var aksRenames = []struct {
	from []string
	to   string
}{
	{[]string{"operationName"}, "operation_name"},
	{[]string{"resourceId"}, "resource_id"},
	{[]string{"serviceBuild"}, "service_build"},
	{[]string{"properties", "containerID"}, "container_id"},
	{[]string{"properties", "pod"}, "pod"},
	{[]string{"properties", "stream"}, "stream"},
}

// aksPath returns where Azure's envelope keeps a field of aks_metadata, nil if
// it does not.
func aksPath(name string) []string {
	at := strings.Split(name, ".")
	if _, ok := under(at, []string{"properties", "log"}); ok {
		return nil
	}
	for _, r := range aksRenames {
		if rest, ok := under(at, []string{r.to}); ok {
			return append(append([]string{}, r.from...), rest...)
		}
		if _, ok := under(at, r.from); ok {
			return nil
		}
	}
	return at
}
