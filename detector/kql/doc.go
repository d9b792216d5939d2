// Package kql reads queries in KQL, the Kibana query language, and runs them
// over records.
//
//	text ──Parse──▶ Node ──Compiler.Compile──▶ Predicate ──Match(View, Memo)──▶ bool
//
// Parse turns text into a syntax tree (ast.go), hand-written after Kibana's
// grammar (packages/kbn-es-query/grammar). Trees can also be built by hand:
// the filters and exceptions of rules are. Every tree prints itself.
//
// A Compiler resolves what a tree names, once, when rules are loaded: fields
// through an Env, types into one matcher each, values into the form that the
// matcher compares. Each operator is a file: exact.go, set.go, wildcard.go,
// text.go, ip.go, number.go, date.go and so on.
//
// A Predicate is run over each record. It allocates nothing, and a test that
// several predicates of one Compiler share is made once a record: its result
// is kept in a Memo.
package kql
