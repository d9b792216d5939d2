// Package rule turns rule files into checked rules.
//
//	files, folders, globs ─→ text with positions ─→ checked Rule ─→ exceptions attached ─→ Set
//	   expand.go              document.go            build.go        attach.go             load.go
//	                          (TOML, NDJSON)         filter.go       exception.go
//
// Three forms are read, all of which give the same Rule:
//
//   - the public rule repository's TOML ([rule], [rule.new_terms], filters),
//   - Kibana's NDJSON export (a rule a line, then exception lists and their
//     items, then a line with counts),
//   - an inline rule, from the output plugin's own properties ([Inline]).
//
// Exceptions come with an export, or as [[exception]] tables written by hand
// (exceptions_toml.go); the value lists that they name are text files beside
// them (valuelist.go).
//
// Nothing here evaluates an event: queries, filters and exceptions become
// trees of package kql. All problems of all files are collected, each with
// file, line and column, so that a person who fixes rules needs one run only.
//
// # Our own keys
//
// An optional table beside the repository's own keys says what this engine
// does differently for one rule:
//
//	[rule.newterms]
//	missing_fields = "skip"   # or "null", "alert": what to do when a term field is absent
//	learn = "24h"             # or "off": how long tuples are only recorded
//	max_terms = 100000        # tuples remembered
//	max_alerts = 100          # alerts an interval
package rule
