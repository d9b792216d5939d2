package remote

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain wants every goroutine to have ended when the stores are closed.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
