package mapping

import (
	"strings"

	"fluent-bit-newterms/detector/record"
)

// TypeOf returns the type that a field has in Elastic's indices: ECS and the
// Kubernetes audit log integration, and of other integrations what public
// rules use. A field that no table names is a keyword, as dynamic mapping
// makes strings, and as the leaves of a flattened field are.
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

// fieldTypes is namesByType by name.
var fieldTypes = table(namesByType)

// namesByType names the fields that are not keywords, and keywords whose names
// should not be taken for a multi-field of another.
//
// Sources: the ECS field reference; the Kubernetes integration's
// data_stream/audit_logs/fields/fields.yml, whose objects of a request and a
// response are mapped field by field.
var namesByType = map[record.Type]string{
	record.Date: `@timestamp event.{created,end,ingested,start}
		{file,threat.indicator.file}.{accessed,created,ctime,mtime} package.installed
		{process,process.parent,process.entry_leader,process.session_leader,process.group_leader}.{start,end}
		{dll,file,process,process.parent}.code_signature.timestamp
		tls.{client,server}.{not_after,not_before} {x509,file.x509,tls.client.x509,tls.server.x509,threat.indicator.x509}.{not_after,not_before}
		email.{delivery_timestamp,origination_timestamp} threat.indicator.{first_seen,last_seen,modified_at}
		kubernetes.audit.{requestReceivedTimestamp,stageTimestamp}
		kibana.alert.{original_time,start,last_detected}`,

	record.Text: `message error.message
		kubernetes.audit.{user,impersonatedUser}.groups kubernetes.audit.sourceIPs
		kubernetes.audit.responseStatus.message kubernetes.audit.requestObject.spec.containers.image
		kubernetes.audit.annotations.authorization_k8s_io/reason`,

	record.IP: `{client,destination,server,source}.{ip,nat.ip} dns.resolved_ip host.ip network.forwarded_ip
		observer.ip orchestrator.resource.ip related.ip threat.{indicator,enrichments.indicator}.ip`,

	record.Long: `{client,destination,server,source}.{bytes,packets,port,nat.port,as.number}
		as.number dns.answers.ttl event.{duration,sequence,severity}
		{file,threat.indicator.file,email.attachments.file}.size
		http.{request,response}.{bytes,body.bytes} http.response.status_code
		log.syslog.{priority,facility.code,severity.code} log.origin.file.line
		network.{bytes,packets} package.size url.port volume.size
		{host,container}.disk.{read,write}.bytes {host,container}.network.{egress,ingress}.bytes
		host.network.{egress,ingress}.packets host.uptime
		{process,process.parent,process.entry_leader,process.session_leader,process.group_leader}.{args_count,exit_code,pgid,pid,ppid,vpid,uptime,thread.id}
		{x509,file.x509,tls.client.x509,tls.server.x509}.{public_key_exponent,public_key_size}
		threat.indicator.{port,scanner_stats,sightings}
		kubernetes.audit.responseStatus.code
		kubernetes.audit.requestObject.spec.securityContext.{runAsUser,runAsGroup}
		kubernetes.audit.requestObject.spec.containers.securityContext.{runAsUser,runAsGroup}
		kubernetes.audit.responseObject.spec.containers.securityContext.runAsUser
		azure.signinlogs.properties.status.error_code o365.audit.Parameters.WithinSizeRangeMinimum
		{icmp,network_traffic.icmp}.request.type network_traffic.nfs.rpc.cred.{uid,gid}`,

	record.Double: `event.{risk_score,risk_score_norm} {host,user}.risk.{calculated_score,calculated_score_norm}
		vulnerability.score.{base,environmental,temporal} {host,container}.cpu.usage container.memory.usage
		kibana.alert.risk_score`,

	record.Boolean: `{dll,file,process,process.parent}.code_signature.{exists,trusted,valid}
		{process,process.parent,process.entry_leader,process.session_leader,process.group_leader}.interactive
		process.{entry_leader,session_leader,group_leader}.same_as_process
		tls.{established,resumed} container.security_context.privileged faas.coldstart volume.{removable,writable}
		kubernetes.audit.{requestObject,responseObject}.spec.{hostNetwork,hostIPC,hostPID}
		kubernetes.audit.requestObject.spec.securityContext.runAsNonRoot
		kubernetes.audit.requestObject.spec.containers.securityContext.runAsNonRoot
		kubernetes.audit.{requestObject,responseObject}.spec.containers.securityContext.{privileged,allowPrivilegeEscalation}
		azure.signinlogs.properties.{is_interactive,device_detail.is_managed} github.repository_public
		okta.security_context.is_proxy aws.cloudtrail.console_login.additional_eventdata.mfa_used`,

	record.Wildcard: `error.stack_trace {process,process.parent}.command_line url.{full,original,path} registry.data.strings
		http.{request,response}.body.content file.extended_path`,

	record.Flattened: `kubernetes.audit.{requestObject,responseObject}.spec.volumes.hostPath
		kubernetes.audit.{requestObject,responseObject}.spec.containers.volumeMounts
		aws.cloudtrail.flattened.{request_parameters,response_elements,additional_eventdata,service_event_details,digest}
		okta.debug_context.debug_data.flattened`,

	record.Nested: `kubernetes.audit.{requestObject,responseObject}.rules email.attachments threat.enrichments`,

	record.Keyword: `kubernetes.audit.annotations.authorization_k8s_io/decision user_agent.original
		user.{name,id} event.{action,outcome,code,kind,dataset,original}
		data_stream.{dataset,type,namespace} host.os.type process.io.text`,
}

// table gives each field its type. Names in braces, {a,b}, are alternatives.
func table(byType map[record.Type]string) map[string]record.Type {
	m := make(map[string]record.Type)
	for t, list := range byType {
		for _, name := range strings.Fields(list) {
			alternatives(name, func(path string) { m[path] = t })
		}
	}
	return m
}

func alternatives(name string, fn func(path string)) {
	head, rest, ok := strings.Cut(name, "{")
	if !ok {
		fn(name)
		return
	}
	inner, tail, _ := strings.Cut(rest, "}")
	for _, alt := range strings.Split(inner, ",") {
		alternatives(head+alt+tail, fn)
	}
}
