// Package alert makes the documents of alerts and summaries.
//
// An alert is the ECS document of the first event that held a new combination of
// terms, with flat kibana.alert.* keys as Kibana writes them, event.kind set to
// signal, and an object named newterms that explains it (Document). The alerts of
// one event share its document (Event). A long document is shortened: the alert
// names what was (shorten). Everything here is linear in the event's bytes.
//
// The package is single-threaded and does no input or output.
package alert
