package mapping

import "strings"

// source says where a raw audit event keeps an ECS field.
type source struct {
	path  []string // in the event; nil if the value is not in it as such
	value string   // the same for every event
	from  derived  // made from other fields
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

// sources gives the ECS fields that the ingest pipeline adds to an event, and
// those that data stream and agent add. Everything else keeps its name under
// kubernetes.audit.
// Source: the Kubernetes integration, data_stream/audit_logs, ingest pipeline.
var sources = map[string]source{
	"event.kind":                 {value: "event"},
	"event.action":               {path: []string{"verb"}},
	"event.outcome":              {from: outcome},
	"event.dataset":              {value: Dataset},
	"event.module":               {value: "kubernetes"},
	"data_stream.type":           {value: "logs"},
	"data_stream.dataset":        {value: Dataset},
	"data_stream.namespace":      {value: "default"},
	"host.os.type":               {value: "linux"},
	"user.name":                  {path: []string{"user", "username"}},
	"user.id":                    {path: []string{"user", "uid"}},
	"user_agent.original":        {path: []string{"userAgent"}},
	"source.ip":                  {path: []string{"sourceIPs"}},
	"client.ip":                  {path: []string{"sourceIPs"}},
	"orchestrator.type":          {value: "kubernetes"},
	"orchestrator.api_version":   {path: []string{"apiVersion"}},
	"orchestrator.resource.type": {path: []string{"objectRef", "resource"}},
	"orchestrator.resource.name": {path: []string{"objectRef", "name"}},
	"orchestrator.namespace":     {path: []string{"objectRef", "namespace"}},
	"orchestrator.cluster.name":  {path: []string{"resource", "labels", "cluster_name"}},
	"orchestrator.cluster.id":    {path: []string{"resource", "labels", "project_id"}},
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

// orchestratorFallbacks are copied from Google Cloud's envelope, not renamed.
var orchestratorFallbacks = map[string][]string{
	"orchestrator.resource.type": {"resource", "type"},
	"orchestrator.resource.name": {"protoPayload", "resourceName"},
}

var decisionPath = []string{"annotations", "authorization_k8s_io/decision"}

// sourceOf returns where a raw event keeps the ECS field at path. ok is false
// for fields that it does not have.
func sourceOf(path string) (source, bool) {
	if s, ok := sources[path]; ok {
		return s, true
	}
	rest, ok := strings.CutPrefix(path, audit)
	if !ok || dropped(rest) {
		return source{}, false
	}
	return source{path: splitRaw(rest)}, true
}

// splitRaw splits a path inside an event. An annotation's name is one name,
// whatever dots it has.
func splitRaw(path string) []string {
	if name, ok := strings.CutPrefix(path, "annotations."); ok {
		return []string{"annotations", strings.ReplaceAll(name, ".", "_")}
	}
	return strings.Split(path, ".")
}

// dropped tells whether the pipeline removes the path of an event.
func dropped(path string) bool {
	for _, p := range [...]string{"responseObject.metadata", "requestObject.metadata"} {
		if path == p || strings.HasPrefix(path, p+".") {
			return true
		}
	}
	return false
}

// snake writes a name of Azure's envelope as aks_metadata has it:
// operationName becomes operation_name, containerID container_id.
func snake(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c < 'A' || c > 'Z' {
			b.WriteByte(c)
			continue
		}
		if i > 0 && !(name[i-1] >= 'A' && name[i-1] <= 'Z') {
			b.WriteByte('_')
		}
		b.WriteByte(c | 0x20)
	}
	return b.String()
}

// aksPath returns where Azure's envelope keeps a field of aks_metadata.
func aksPath(name string) [][]string {
	camel := name
	if parts := strings.Split(name, "_"); len(parts) > 1 {
		for i, p := range parts[1:] {
			if p != "" {
				parts[i+1] = strings.ToUpper(p[:1]) + p[1:]
			}
		}
		camel = strings.Join(parts, "")
	}
	paths := [][]string{{camel}, {"properties", camel}}
	if head, ok := strings.CutSuffix(camel, "Id"); ok {
		paths = append(paths, []string{"properties", head + "ID"})
	}
	return paths
}
