package rule

// Keys of rules that are known and that nothing here depends on. They are
// listed so that a misspelt key, and only that, gives a warning. Sources: the
// rule repository's schema and Kibana's rule response.

// restKeys describe a rule to Kibana or to people. They go into
// kibana.alert.rule.parameters with the rest of the rule.
var restKeys = []string{
	"actions", "alias_purpose", "alias_target_id", "data_view_id", "exceptions_list",
	"immutable", "meta", "namespace", "outcome", "output_index", "related_integrations",
	"required_fields", "response_actions", "rule_source", "saved_id", "throttle",
	"timeline_id", "timeline_title", "to", "event_category_override",
	"tiebreaker_field", "timestamp_field",
}

// serverKeys are what a Kibana server adds about its own copy of a rule. They
// are not part of the rule.
var serverKeys = []string{
	"id", "created_at", "created_by", "updated_at", "updated_by", "revision",
	"execution_summary", "last_execution", "customized_fields",
}

// repositoryTables are the tables beside [rule] in a file of the repository.
var repositoryTables = []string{"metadata", "transform"}

// metadataKeys are the keys of [metadata].
var metadataKeys = []string{
	"bypass_bbr_timing", "comments", "creation_date", "deprecated_reason",
	"deprecation_date", "extended", "integration", "maturity", "min_stack_comments",
	"min_stack_version", "os_type_list", "promotion", "query_schema_validation",
	"related_endpoint_rules", "updated_date", "local_creation_date", "local_updated_date",
}

// ruleTypes are the types of rules that Kibana knows.
var ruleTypes = []string{
	"new_terms", "query", "saved_query", "eql", "esql", "threshold", "threat_match",
	"machine_learning", "endpoint_alert",
}
