package mapping

import (
	"strings"

	"fluent-bit-newterms/detector/record"
)

// TypeOf returns the type that a field has in Elastic's indices: ECS 8 and the
// Kubernetes audit log integration. A field that no table names is a keyword,
// as dynamic mapping makes strings, and as the leaves of a flattened field are.
//
// Text is the type of match_only_text fields as well. Multi-fields (X.text)
// are in indices only: package kql resolves them to X.
func TypeOf(path string) record.Type { return fieldTypes[path] }

// typeOfLeaf is TypeOf for a scalar in a document. Where the table names an
// object, as it does flattened and nested fields, a scalar is a keyword.
func typeOfLeaf(path string) record.Type {
	switch t := TypeOf(path); t {
	case record.Flattened, record.Nested:
		return record.Keyword
	default:
		return t
	}
}

// fieldTypes names the fields that are not keywords.
// Source: the ECS field reference and the integration's fields.yml.
var fieldTypes = table(map[record.Type]string{
	record.Date: `@timestamp event.created event.end event.ingested event.start
		file.accessed file.created file.ctime file.mtime package.installed process.start process.end
		process.parent.start process.parent.end tls.client.not_after tls.client.not_before
		tls.server.not_after tls.server.not_before x509.not_after x509.not_before
		kubernetes.audit.requestReceivedTimestamp kubernetes.audit.stageTimestamp
		kibana.alert.original_time kibana.alert.start kibana.alert.last_detected`,
	record.Text: `message error.message error.stack_trace event.reason_text
		kubernetes.audit.user.groups kubernetes.audit.impersonatedUser.groups
		kubernetes.audit.sourceIPs kubernetes.audit.responseStatus.message
		kubernetes.audit.requestObject.spec.containers.image
		kubernetes.audit.annotations.authorization_k8s_io/reason`,
	record.IP: `client.ip client.nat.ip destination.ip destination.nat.ip dns.resolved_ip host.ip
		network.forwarded_ip observer.ip related.ip server.ip server.nat.ip source.ip source.nat.ip
		threat.indicator.ip threat.enrichments.indicator.ip orchestrator.resource.ip`,
	record.Long: `event.duration event.sequence event.severity file.size http.request.bytes
		http.request.body.bytes http.response.bytes http.response.body.bytes
		http.response.status_code log.syslog.priority network.bytes network.packets
		process.args_count process.parent.args_count process.exit_code process.parent.exit_code
		process.pgid process.pid process.ppid process.parent.pid process.parent.ppid
		process.thread.id process.uptime package.size as.number source.as.number
		destination.as.number client.as.number server.as.number
		kubernetes.audit.responseStatus.code
		kubernetes.audit.requestObject.spec.securityContext.runAsUser
		kubernetes.audit.requestObject.spec.securityContext.runAsGroup
		kubernetes.audit.requestObject.spec.containers.securityContext.runAsUser
		client.bytes client.packets client.port client.nat.port
		destination.bytes destination.packets destination.port destination.nat.port
		server.bytes server.packets server.port server.nat.port
		source.bytes source.packets source.port source.nat.port url.port
		o365.audit.Parameters.WithinSizeRangeMinimum`,
	record.Double: `event.risk_score event.risk_score_norm host.risk.calculated_score
		host.risk.calculated_score_norm user.risk.calculated_score user.risk.calculated_score_norm
		vulnerability.score.base vulnerability.score.environmental vulnerability.score.temporal
		kibana.alert.risk_score`,
	record.Boolean: `dll.code_signature.exists dll.code_signature.trusted dll.code_signature.valid
		file.code_signature.exists file.code_signature.trusted file.code_signature.valid
		process.code_signature.exists process.code_signature.trusted process.code_signature.valid
		process.parent.code_signature.exists process.parent.code_signature.trusted
		process.parent.code_signature.valid process.interactive process.parent.interactive
		process.entry_leader.interactive process.session_leader.interactive process.group_leader.interactive
		process.entry_leader.same_as_process process.session_leader.same_as_process
		process.group_leader.same_as_process tls.established tls.resumed
		container.security_context.privileged faas.coldstart
		kubernetes.audit.requestObject.spec.hostNetwork kubernetes.audit.requestObject.spec.hostIPC
		kubernetes.audit.requestObject.spec.hostPID kubernetes.audit.responseObject.spec.hostNetwork
		kubernetes.audit.responseObject.spec.hostIPC kubernetes.audit.responseObject.spec.hostPID
		kubernetes.audit.requestObject.spec.securityContext.runAsNonRoot
		kubernetes.audit.requestObject.spec.containers.securityContext.privileged
		kubernetes.audit.requestObject.spec.containers.securityContext.allowPrivilegeEscalation
		kubernetes.audit.responseObject.spec.containers.securityContext.privileged
		kubernetes.audit.responseObject.spec.containers.securityContext.allowPrivilegeEscalation`,
	record.Wildcard: `process.command_line process.parent.command_line url.full url.original
		url.path registry.data.strings http.request.body.content http.response.body.content
		http.request.referrer file.extended_path`,
	record.Flattened: `kubernetes.audit.requestObject.spec.volumes.hostPath
		kubernetes.audit.requestObject.spec.containers.volumeMounts
		kubernetes.audit.responseObject.spec.volumes.hostPath
		kubernetes.audit.responseObject.spec.containers.volumeMounts
		aws.cloudtrail.flattened.request_parameters aws.cloudtrail.flattened.response_elements
		aws.cloudtrail.flattened.additional_eventdata aws.cloudtrail.flattened.service_event_details
		aws.cloudtrail.flattened.digest`,
	record.Nested: `kubernetes.audit.requestObject.rules kubernetes.audit.responseObject.rules`,
	// Keywords of their own, so that no name below is taken for a multi-field.
	record.Keyword: `kubernetes.audit.annotations.authorization_k8s_io/decision user_agent.original
		user.name user.id event.action event.outcome event.code event.kind event.dataset
		data_stream.dataset data_stream.type data_stream.namespace host.os.type
		event.original labels`,
})

func table(byType map[record.Type]string) map[string]record.Type {
	m := make(map[string]record.Type)
	for t, names := range byType {
		for _, name := range strings.Fields(names) {
			m[name] = t
		}
	}
	return m
}
