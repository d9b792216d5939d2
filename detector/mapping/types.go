package mapping

import (
	"fluent-bit-newterms/detector/ecs"
	"fluent-bit-newterms/detector/record"
)

// TypeOf returns the type that a field has in Elastic's indices: see ecs.TypeOf.
func TypeOf(path string) record.Type { return ecs.TypeOf(path) }
