// Command bench measures newterms against floors and peers, as ratios taken in
// one run, on a real cluster's audit log.
//
//	go run ./test/bench              the table of goals (two minutes)
//	go run ./test/bench -only disk   lines whose names hold a text
//	go run ./test/bench plot         the plots in test/bench/plots (a minute)
//	go run ./test/bench soak         a real Fluent Bit at full speed for ten minutes
//
// Every line checks its own result: that what is measured found what it had to
// find. Lines that need a real Fluent Bit, or reference data that is not part
// of the project, are passed over with a word where there is none.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	auditLog = "test/testdata/k8s-audit.jsonl.gz"
	seedRule = "conf/rules"
	shared   = "../shared/data"
	plots    = "test/bench/plots"
)

func main() {
	only := flag.String("only", "", "run only lines whose names hold this text")
	minutes := flag.Duration("for", 10*time.Minute, "how long to soak")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: bench [-only TEXT] | bench plot | bench [-for 10m] soak")
		flag.PrintDefaults()
	}
	flag.Parse()
	var err error
	switch flag.Arg(0) {
	case "":
		err = table(*only)
	case "plot":
		err = drawAll()
	case "soak":
		err = soak(*minutes)
	default:
		flag.Usage()
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// sharedRules returns the paths of the shared rules whose names fit a pattern.
func sharedRules() []string {
	paths, _ := filepath.Glob(filepath.Join(shared, "rules", "*.toml"))
	return paths
}
