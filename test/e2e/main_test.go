// Package e2e runs the built plugin as users do: in a real Fluent Bit, and in
// test/host, which loads it the same way.
package e2e

import (
	"testing"

	"fluent-bit-newterms/test/fluentbit"
)

func TestMain(m *testing.M) { fluentbit.Main(m) }
