package kubernetes

import (
	"testing"

	"fluent-bit-newterms/test/fluentbit"
)

func TestMain(m *testing.M) { fluentbit.Main(m) }
