package mapping

import (
	"strings"

	"fluent-bit-newterms/detector/record"
)

// marks are the slots that tell shapes apart.
type marks struct {
	auditID, stage, kind, version int32 // a raw event, a list
	insertID, service, method     int32 // Google Cloud
	azure                         azureMarks
	items                         int32      // of a list
	records, logEvents            int32      // exports of Azure and CloudWatch
	azureRecords                  azureMarks // of each of records
	logMessage                    int32      // of each of logEvents
	agentID, agentStage           int32
	ecs                           []int32 // any of these: the pipeline has run
	eventKind                     int32   // or a value of ECS here
	logKeyText, logKeyMap         int32
	pod                           podMarks
}

// azureMarks are slots of an envelope of Azure.
type azureMarks struct {
	category, operation, resource int32
	logText, logMap               int32 // properties.log
}

func (p *Plan) setMarks() {
	l, m := p.layout, &p.mark
	if p.opts.LogKey != "" {
		path := strings.Split(p.opts.LogKey, ".")
		m.logKeyText, m.logKeyMap = l.Want(path...), l.WantSpan(path...)
	}
	if p.opts.Mode == ECS {
		return
	}
	m.auditID, m.stage = l.Want("auditID"), l.Want("stage")
	m.kind, m.version = l.Want("kind"), l.Want("apiVersion")
	m.insertID = l.Want("insertId")
	m.service, m.method = l.Want("protoPayload", "serviceName"), l.Want("protoPayload", "methodName")
	m.azure = azureMarksAt(l)
	m.items, m.records, m.logEvents = l.WantSpan("items"), l.WantSpan("records"), l.WantSpan("logEvents")
	m.azureRecords = azureMarksAt(l, "records")
	m.logMessage = l.Want("logEvents", "message")
	m.agentID = l.Want("kubernetes", "audit", "auditID")
	m.agentStage = l.Want("kubernetes", "audit", "stage")
	for _, path := range []string{"event.action", "event.category", "user_agent.original", "orchestrator.type"} {
		m.ecs = append(m.ecs, l.Want(strings.Split(path, ".")...))
	}
	m.eventKind = l.Want("event", "kind")
	m.pod = p.podMarks()
}

func azureMarksAt(l *record.Layout, base ...string) azureMarks {
	at := func(names ...string) []string { return append(append([]string{}, base...), names...) }
	return azureMarks{
		category:  l.Want(at("category")...),
		operation: l.Want(at("operationName")...),
		resource:  l.Want(at("resourceId")...),
		logText:   l.Want(at("properties", "log")...),
		logMap:    l.WantSpan(at("properties", "log")...),
	}
}

// in tells whether a View holds an envelope of Azure with an event in it.
// Clusters also send logs of components this way, whose text is no JSON.
func (m *azureMarks) in(v *record.View) bool {
	if v.Slot(m.category) == 0 || v.Slot(m.operation) == 0 || v.Slot(m.resource) == 0 {
		return false
	}
	if v.Slot(m.logMap) != 0 {
		return true
	}
	i := v.Slot(m.logText)
	return i != 0 && v.At(i).Kind == record.String &&
		(trimmed(v.At(i).Bytes()) != nil || strings.HasPrefix(textIn(v, m.category), "kube-audit"))
}

// isGoogle tells whether the record is a log entry of Google Cloud with an
// audit event of Kubernetes; other services write entries of the same form.
func (p *Plan) isGoogle(v *record.View) bool {
	m := &p.mark
	if v.Slot(m.insertID) == 0 {
		return false
	}
	if p.opts.Mode == KubernetesAudit {
		return v.Slot(m.service) != 0 || v.Slot(m.method) != 0
	}
	return textIn(v, m.service) == "k8s.io" || strings.HasPrefix(textIn(v, m.method), kubernetesMethod)
}

const (
	kubernetesMethod = "io.k8s."
	auditGroup       = "audit.k8s.io/" // the API group of audit events
)

// isList tells whether the record is a list of audit events. Lists of other
// things have items too, and core/v1 has an EventList of its own.
func (p *Plan) isList(v *record.View) bool {
	m := &p.mark
	if v.Slot(m.version) != 0 {
		return strings.HasPrefix(textIn(v, m.version), auditGroup) && (v.Slot(m.items) != 0 || textIn(v, m.kind) == "EventList")
	}
	return v.Slot(m.items) != 0 && textIn(v, m.kind) == "EventList"
}

// holdsRecords tells whether the record is a diagnostic export of Azure.
func (m *marks) holdsRecords(v *record.View) bool {
	return v.Slot(m.records) != 0 && v.Slot(m.azureRecords.category) != 0 && v.Slot(m.azureRecords.operation) != 0
}

// holdsLogEvents tells whether the record is an export of CloudWatch.
func (m *marks) holdsLogEvents(v *record.View) bool {
	return v.Slot(m.logEvents) != 0 && v.Slot(m.logMessage) != 0
}

// isAgent tells whether an event lies under kubernetes.audit as the API server
// wrote it, before the ingest pipeline has added to it.
func (p *Plan) isAgent(v *record.View) bool {
	return v.Slot(p.mark.agentID) != 0 && v.Slot(p.mark.agentStage) != 0 && !p.isProcessed(v)
}

// isProcessed tells whether the record has fields that only ECS documents have.
// event.kind is one in lower case: an audit event under event has a kind too.
func (p *Plan) isProcessed(v *record.View) bool {
	for _, s := range p.mark.ecs {
		if v.Slot(s) != 0 {
			return true
		}
	}
	kind := textIn(v, p.mark.eventKind)
	return kind != "" && kind[0] >= 'a'
}

// textIn returns the first value of a slot, "" if it is no text.
func textIn(v *record.View, slot int32) string {
	if i := v.Slot(slot); i != 0 && v.At(i).Kind == record.String {
		return v.At(i).Str
	}
	return ""
}
