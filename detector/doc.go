// Package detector finds what was never seen before in the records that pass
// through Fluent Bit: the engine behind the plugin and the command.
//
// # The way of the data
//
//	Fluent Bit              Chunk(tag, bytes)                      files      Batch.Line(JSON)
//	                              │                                                │
//	            ┌─────────────────▼────────────────────────────────────────────────▼──┐
//	 match      │ mapping.Reader   each record is walked once, in place: the fields    │
//	 no lock,   │      │           that any rule asks for fill a record.View           │
//	 a Worker   │      ▼                                                               │
//	 per flush  │ result cache     the same values as a little while ago: the same     │
//	            │      │           combinations are counted up, the event is done      │
//	            │      ▼                                                               │
//	            │ stream groups    rules by data stream, then by the literals that     │
//	            │      │           they need; tests that rules share are made once     │
//	            │      ▼                                                               │
//	            │ combine          the combinations of a match: time, missing fields,  │
//	            │      │           arrays, terms in the form of their field's type     │
//	            │      ▼                                                               │
//	            │ Batch            equal combinations of the flush become one; bounded │
//	            └──────┬───────────────────────────────────────────────────────────────┘
//	                   │  few distinct combinations
//	            ┌──────▼───────────────────────────────────────────────────────────────┐
//	 engine     │ seen.Memory      new, expired or known?  exceptions: history         │
//	 one lock   │ limiter          learning, suppression, limits, fair to all          │
//	            │ builder          the document of an alert: one per event, bounded    │
//	            └──────┬───────────────────────────────────────────────────────────────┘
//	                   │  one batch: tuples, counts, alerts (the outbox)
//	            ┌──────▼──────┐        ┌─────────────┐       ┌──────────────────────────┐
//	            │ seen.Store  │◀─ack──▶│ delivery    │──────▶│ sinks: forward, file,    │
//	            │ journal     │        │ Dispatcher  │       │ stdout; alerts input     │
//	            └─────────────┘        └─────────────┘       └──────────────────────────┘
//
// An event that matches a rule of type query is a combination of its own, so each
// match alerts, and nothing of it is remembered (engine/decide.go). Where a rule
// or the output normalizes, a new combination is compared with known ones of the
// same form before it alerts (engine/variants.go).
//
// A chunk is OK when the batch is on disk. A crash before it: the chunk
// comes again, and alerts, with the same uuids. A crash after it: the outbox
// still has the alerts. A disk that fails or hangs stops nothing: what is owed
// to it stays in memory and is written when it is back, up to a bound; beyond it
// chunks are answered with RETRY. With a shared store
// (engine/peers.go) tuples new to this node are asked about there, before the lock.
//
// A worker learns what a pipeline's events are like (match/specialize.go), and is
// kept for the next flush (engine/flush.go).
//
// # Imports
//
// They go one way, which TestImports enforces. An arrow says "imports":
//
//	plugin        ──▶ detector
//	cmd/newterms  ──▶ detector, engine, match, alert, seen, rule, mapping, ...
//	detector      ──▶ engine, delivery, sink, telemetry, seen, rule, mapping, ...
//	engine        ──▶ match, alert, seen, seen/remote, rule, mapping, normalize
//	match         ──▶ mapping, rule, kql, ecs, seen (the encoding of terms)
//	delivery      ──▶ sink, seen, telemetry
//	rule          ──▶ kql, normalize, ecs, place
//	mapping       ──▶ kql, geoip, ecs, place
//	seen/remote   ──▶ seen
//	seen, sink, kql, ecs ──▶ record
//
// These import no other package of the module: alert, telemetry, record, geoip,
// normalize, place and version. Everybody may import limits, which holds the
// bounds. Only plugin uses cgo.
//
// # Words
//
// A combination is the values of a rule's new_terms_fields in one event. The
// code says tuple, too. The seen-set of a rule is the combinations that it knows.
// The window is how long a combination stays known after its last sighting. A
// baseline is a seen-set that was learned from old logs. The outbox is the alerts
// that are committed and not yet delivered. A sink is where alerts go.
//
// A noisy group is what many new combinations of an interval have in common. A
// variant is a combination that differs from a known one only in the parts that
// normalize takes out, such as versions; its form is what is left. A
// specialization is a plan for reading that holds for one source and data
// stream. The result cache holds what the latest events led to, by digests of
// their values.
//
// # Time
//
// A record's time is the rule's timestamp_override where the event has one,
// else the time that Fluent Bit gave it. A late event never makes a known tuple
// new and can lower its first sighting; a time more than five minutes ahead of
// the clock is clamped. What is decided does not depend on how a stream is cut
// into flushes: the tests cut it anywhere, and restart in the middle.
//
// Intervals and learning are counted by the clock. A replay of the past
// (engine.Options.EventTime) counts them by the latest event so far.
//
// # Rules that change
//
// The files of rules, exceptions and value lists are looked at every two
// seconds (watch.go), which sees a ConfigMap's links being swapped, and taken
// up once they have settled (reload.go, engine/rules.go). A rule with another query,
// other fields or another policy for missing ones begins a new memory, and a
// log line says so; any other change keeps it. If anything is wrong with the
// new files, the old rules stay; it is logged and counted.
//
// # Exceptions
//
// An event under an exception raises no alert and is no history, as in Elastic.
// Once the exception is removed, or expires, Elastic looks back without it, and
// what was seen under it becomes history. So it does here: tuples seen under
// exceptions are remembered apart (engine/history.go), and once no exception that
// kept them out is in force, they are known. Removing an exception floods
// nobody; what is new afterwards alerts.
//
// The other way round there is a difference. Events that came before an
// exception was added stay history here. Elastic leaves them out when it looks
// back, so a tuple that it saw only in events that the new exception covers
// alerts there when it next appears outside of them, and here does not.
//
// # Limits and suppression
//
// A rule raises max_signals alerts an interval, in which [rule.newterms]
// max_alerts goes before the property max_alerts, and that before the rule's
// own. What is over is known from then on, and listed in one summary record
// (newterms.summary = limit) when the interval is over: up to 1,000 tuples by
// name, noisy groups as one entry each, all by count. A noisy group is what many
// new tuples of an interval have in common, such as a user; a quarter of the
// limit is kept for what is outside of them.
//
// Of alerts that agree in the fields of alert_suppression the first leaves,
// with kibana.alert.suppression.docs_count = 0. A stream cannot take a record
// back to raise the count, so when the period is over a record follows, if
// there is anything to tell (newterms.summary = suppressed): it has the alert's
// uuid, and the final count, start and end. It is a part of a document: a
// receiver that keeps one document a uuid merges it in (an Elasticsearch output
// with Id_Key kibana.alert.uuid and Write_Operation upsert does), others show
// it beside. Suppressed alerts do not count against the limit.
//
// The counts, and what is not yet summed up, are written with the tuples that
// they are about: a restart loses neither.
//
// # Emit
//
// emit = matched passes along every record that a rule matches, with a verdict
// (new, expired, known), the tuple's first and last sighting and count, and the
// rule. The record of a new tuple is its alert. The others go the same ways but
// through no outbox: see engine/matches.go.
//
// # Where to go on
//
// engine/engine.go has the entry points, engine/decide.go the decision, and
// test/testdata/elastic a script for each behaviour.
package detector
