package mapping

import "strings"

// shipped are the names that log shippers are known to put beside the text or
// the map that they ship: when, where and through what it came. A record that
// holds an event as text, and beside it these names alone, is a wrapping; with
// any other name beside it the record is a document, and its texts are what
// they are in a document: values that others may have chosen.
//
// Sources: the documentation of Fluent Bit's inputs and of its kubernetes
// filter; Docker's json-file log; the journal's fields (systemd); Filebeat's
// exported fields; CloudWatch Logs subscriptions and Logs Insights; Splunk's
// HTTP Event Collector; Pub/Sub push; Event Hubs and Kafka records; Logstash.
var shipped = names(`log message msg event audit body data payload record MESSAGE line raw text content value structured
	log_processed jsonPayload textPayload
	time timestamp date ts datetime receivedAt received_at publishTime publish_time ingestionTime ingestion_time
	stream logtag partial_message partial_id partial_last partial_ordinal flags fluentbit_tag tag tags type
	host hostname host_name hostip host_ip ip node node_name nodename source sourcetype index fields sourceHost
	cluster cluster_name clustername cluster_id env environment region zone namespace account accountId account_id
	kubernetes k8s docker container container_id container_name containerID containerName image image_name pod pod_name filename file
	filepath path offset input agent ecs data_stream cloud orchestrator beat prospector service metadata
	ident pid pri severity facility priority appname app_name procid msgid program syslog_hostname
	topic partition key keys headers error exchange
	id messageId message_id attributes subscription deliveryAttempt orderingKey
	messageType owner logGroup logStream subscriptionFilters log_group log_stream
	insertId logName resource receiveTimestamp trace spanId labels
	PRIORITY`)

// noEventIn are the names among these under which no event lies as a map.
// What does is about the shipper, or about the pod that wrote the
// line, whose owner chooses its labels.
var noEventIn = names(`kubernetes k8s docker container agent ecs host cloud orchestrator beat prospector input data_stream
	labels attributes metadata resource fields headers tags`)

// isShipped tells whether a name is one that shippers put beside what they ship.
func isShipped(name string) bool {
	switch {
	case name == "" || shipped[name]:
		return true
	case name[0] == '_', name[0] == '@':
		return true // the journal's, Logstash's and CloudWatch's own
	}
	head, _, dotted := strings.Cut(name, ".")
	return dotted && shipped[head] || strings.HasPrefix(name, "SYSLOG_")
}
