// Package record reads the bytes of records in place.
//
// A record is a msgpack map in a Fluent Bit chunk, or a line of JSON. A Layout
// says which of its fields are wanted; ScanMsgpack and ScanJSON walk record
// and Layout together and fill a View with the wanted values, which point
// into the record's bytes. Nothing else is decoded and, once a View has seen
// a few records, nothing allocates.
//
//	chunk ──Chunk.Next──▶ time, body ──Layout.ScanMsgpack──▶ View ──▶ predicates
//	line  ───────────────────────────Layout.ScanJSON───────▶
//
// Fields are named as Elasticsearch sees them: arrays are flattened, a key
// with dots is the path that it spells, null and an empty array are nothing,
// a key that occurs twice has both values. Keys that are no text name nothing.
//
// The bytes are not trusted. No input makes a scan panic, recurse without
// bound or take more than time linear in its length: what is nested too deeply
// is skipped, what is broken ends the scan with an error.
//
// Decode reads a value whole, for the one record in very many that becomes an
// alert's document.
package record
