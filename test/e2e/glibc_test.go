package e2e

import (
	"debug/elf"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"fluent-bit-newterms/test/fluentbit"
)

// oldestGlibc is that of the oldest image of Fluent Bit that we support,
// which is Debian 12's.
const oldestGlibc = "2.36"

// TestGlibc looks at the versions of the C library's symbols that the plugin
// needs: one that is newer than an image's library keeps it from being loaded.
func TestGlibc(t *testing.T) {
	for _, test := range []struct {
		name, path string
		machine    elf.Machine
	}{
		{"built for here", fluentbit.Plugin, elf.EM_NONE},
		{"amd64", filepath.Join(fluentbit.Root, "build/amd64/out_newterms.so"), elf.EM_X86_64},
		{"arm64", filepath.Join(fluentbit.Root, "build/arm64/out_newterms.so"), elf.EM_AARCH64},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := os.Stat(test.path); os.IsNotExist(err) {
				t.Skipf("there is no %s; make build-%s makes it", test.path, test.name)
			}
			f, err := elf.Open(test.path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if f.Machine != test.machine && test.machine != elf.EM_NONE {
				t.Errorf("it is for %s", f.Machine)
			}
			needs, err := f.DynamicVersionNeeds()
			if err != nil {
				t.Fatal(err)
			}
			newest := "2.0"
			for _, library := range needs {
				for _, need := range library.Needs {
					if version, ok := strings.CutPrefix(need.Dep, "GLIBC_"); ok && later(t, version, newest) {
						newest = version
					}
				}
			}
			if newest == "2.0" {
				t.Fatal("it needs nothing of the C library, which cannot be")
			}
			if later(t, newest, oldestGlibc) {
				t.Errorf("it needs glibc %s, newer than %s", newest, oldestGlibc)
			}
			t.Logf("it needs glibc %s", newest)
		})
	}
}

// later compares versions such as 2.9 and 2.34.
func later(t *testing.T, a, b string) bool {
	t.Helper()
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		m, err1 := strconv.Atoi(x[i])
		n, err2 := strconv.Atoi(y[i])
		if err1 != nil || err2 != nil {
			t.Fatalf("%s or %s is no version", a, b)
		}
		if m != n {
			return m > n
		}
	}
	return len(x) > len(y)
}
