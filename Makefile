# newterms: first-seen detection inside Fluent Bit.

GO     ?= go
CC     ?= cc
BUILD  := build
SO     := $(BUILD)/out_newterms.so
CMD    := $(BUILD)/newterms
HOST   := $(BUILD)/host
GOFILES := $(shell find detector plugin -type f -not -name '*_test.go' -not -path '*/testdata/*') go.mod go.sum

# A pipe fails if any of its commands fails.
SHELL       := bash
.SHELLFLAGS := -euo pipefail -c

# CI asks for the race detector; it triples the time of a test run.
RACE ?=

# What the plugin and the command say their version is. git describe gives the
# last tag and what came after it.
VERSION ?= $(or $(shell git describe --tags --always --dirty 2>/dev/null),unknown)
COMMIT  ?= $(or $(shell git rev-parse HEAD 2>/dev/null),unknown)
MODULE  := $(shell sed -n 's/^module //p' go.mod)
LDFLAGS := -s -w -X $(MODULE)/detector/version.Version=$(VERSION) -X $(MODULE)/detector/version.Commit=$(COMMIT)

# A build prints every twentieth package that it compiles, so that the first one
# is not silent.
GOBUILD  = $(GO) build -v -trimpath -buildvcs=false -ldflags='$(LDFLAGS)'
PROGRESS = 2>&1 | awk '/[: ]/ {print; fflush(); next} ++n % 20 == 0 {print "  " n " packages compiled"; fflush()}'

.DEFAULT_GOAL := help
.PHONY: help build build-amd64 build-arm64 test test-long lint demo chaos bench bench-plots bench-compare soak fuzz release reproducible rename clean FORCE

help: ## what make can do
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: $(SO) $(CMD) ## build/out_newterms.so (the plugin) and build/newterms (the command)

$(SO): $(GOFILES) $(BUILD)/.version
	@echo "building $@"
	@CGO_ENABLED=1 $(GOBUILD) -buildmode=c-shared -o $@ ./plugin $(PROGRESS)
	@rm -f $(BUILD)/out_newterms.h

$(CMD): $(GOFILES) $(BUILD)/.version
	@echo "building $@"
	@CGO_ENABLED=0 $(GOBUILD) -o $@ ./detector/cmd/newterms $(PROGRESS)

# Changes with the version, so that what is built is built again.
$(BUILD)/.version: FORCE
	@mkdir -p $(BUILD)
	@echo '$(VERSION) $(COMMIT)' | cmp -s - $@ || echo '$(VERSION) $(COMMIT)' > $@

# Each architecture's compiler by its full name, which Debian has for its own
# architecture as well as for others (gcc-aarch64-linux-gnu).
build-amd64: $(BUILD)/amd64/out_newterms.so $(BUILD)/amd64/newterms ## build/amd64: both, with x86_64-linux-gnu-gcc
build-arm64: $(BUILD)/arm64/out_newterms.so $(BUILD)/arm64/newterms ## build/arm64: both, with aarch64-linux-gnu-gcc

$(BUILD)/amd64/%: CROSS_CC := x86_64-linux-gnu-gcc
$(BUILD)/arm64/%: CROSS_CC := aarch64-linux-gnu-gcc

$(BUILD)/%/out_newterms.so: $(GOFILES) $(BUILD)/.version
	@echo "building $@"
	@CGO_ENABLED=1 GOOS=linux GOARCH=$* CC=$(CROSS_CC) $(GOBUILD) -buildmode=c-shared -o $@ ./plugin $(PROGRESS)
	@rm -f $(BUILD)/$*/out_newterms.h

$(BUILD)/%/newterms: $(GOFILES) $(BUILD)/.version
	@echo "building $@"
	@CGO_ENABLED=0 GOOS=linux GOARCH=$* $(GOBUILD) -o $@ ./detector/cmd/newterms $(PROGRESS)

$(HOST): $(wildcard test/host/*.c test/host/*.h)
	@mkdir -p $(BUILD)
	@echo "building $@"
	@$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -pthread -rdynamic -o $@ $(wildcard test/host/*.c) -ldl

test: build $(HOST) ## the tests, in two minutes; those with a real Fluent Bit need fluent-bit on the PATH
	@$(GO) run ./test/run $(RACE)

# SAMPLE=2m: the tests that make test runs, and two minutes of the others.
SAMPLE ?=
test-long: build $(HOST) ## every test: fuzz twins, flipped bits, chaos, memory bounds (SAMPLE=2m: some of them)
	@$(GO) run ./test/run $(RACE) $(if $(SAMPLE),-sample $(SAMPLE),-long)

# The linters are in the go.mod of test/release, so that their modules stay out of
# ours. govulncheck asks vuln.go.dev; where that cannot be reached it is left out.
TOOL := $(GO) tool -modfile=test/release/go.mod
lint: ## gofmt, go vet and staticcheck in every module, actionlint, and govulncheck
	@test -z "$$(gofmt -l detector plugin test)" || { gofmt -d detector plugin test; exit 1; }
	@for dir in . test/*/; do if [ -e $$dir/go.mod ]; then \
	  echo "vet and staticcheck in $$dir"; (cd $$dir && $(GO) vet ./... && $(GO) tool -modfile=$(CURDIR)/test/release/go.mod staticcheck ./...) || exit 1; fi; done
	@echo "vet without cgo"; CGO_ENABLED=0 $(GO) vet ./detector/...
	@echo "actionlint"; $(TOOL) actionlint .github/workflows/*.yml
	@echo "govulncheck"; out=$$($(TOOL) govulncheck ./... 2>&1) && echo "$$out" || \
	  if [[ $$out == *vuln.go.dev* && $$out == *"dial tcp"* ]]; then echo "skipped: vuln.go.dev cannot be reached"; else echo "$$out"; exit 1; fi

demo: build $(HOST) ## the main job on a real audit log: learn from its first part, alert on the rest
	@$(GO) run ./test/demo $(BUILD)

LONG ?=
chaos: ## kills, failing disks, reloads, dead receivers, floods (2 minutes; LONG=-long: hundreds of rounds)
	$(GO) run ./test/chaos $(LONG)

bench: build ## newterms against floors and peers, with the goals (two minutes)
	@$(GO) run ./test/bench

bench-plots: ## the plots in test/bench/plots: cost by rules, tuples and record size
	$(GO) run ./test/bench plot

# The benchmark is this tree's in both, so that it measures the same thing; the
# reference data beside the tree is found from there too.
BENCHSTAT := golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
BENCHPASS := $(GO) test -run '^$$' -bench Pass -count 10 -benchtime 0.3s ./test/bench
REF ?= HEAD~1
bench-compare: ## a pass over records here against REF's (REF=HEAD~1), by benchstat
	@dir=$$(mktemp -d) && trap 'git worktree remove --force '$$dir'/tree; rm -rf '$$dir EXIT && \
	git worktree add -q --detach $$dir/tree $(REF) && ln -s $(abspath ../shared) $$dir/shared && \
	rm -rf $$dir/tree/test/bench && mkdir -p $$dir/tree/test && cp -r test/bench $$dir/tree/test/bench && \
	(cd $$dir/tree && $(BENCHPASS)) > $$dir/REF && $(BENCHPASS) > $$dir/here && \
	(cd $$dir && $(GO) run $(BENCHSTAT) REF here)

SOAK ?= 10m
soak: build ## a real Fluent Bit at full speed for SOAK (10m): memory, threads, descriptors
	$(GO) run ./test/bench -for $(SOAK) soak

FUZZTIME ?= 30s
fuzz: ## every fuzz target for FUZZTIME (30s)
	@for pkg in $$($(GO) list ./detector/...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep ^Fuzz); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; done

BASE ?=
release: build build-amd64 build-arm64 ## build/release: archives, .deb, .rpm, SBOM, checksums (BASE=DIR: an image on that OCI layout)
	@$(GO) -C test/release run . -version $(VERSION) -commit $(COMMIT) -time $$(git log -1 --format=%ct) $(if $(BASE),-base $(abspath $(BASE)))

reproducible: release ## a release twice, the second time without a build cache: the bytes must be equal
	@rm -rf $(BUILD)/first && mv $(BUILD)/release $(BUILD)/first && rm -rf $(BUILD)/amd64 $(BUILD)/arm64
	@cache=$$(mktemp -d) && trap 'rm -rf '$$cache EXIT && GOCACHE=$$cache $(MAKE) --no-print-directory release
	@diff -r $(BUILD)/first $(BUILD)/release && rm -r $(BUILD)/first && echo "both releases have the same bytes"

# The module's path is in go.mod, in imports, and in the Makefile by go.mod.
rename: ## give the module another path: make rename TO=github.com/OWNER/newterms
	@test -n "$(TO)" || { echo "say TO=github.com/OWNER/newterms"; exit 2; }
	@git ls-files -z '*.go' '*go.mod' '*.md' '*.yml' | xargs -0 sed -i 's#\b$(MODULE)\b#$(TO)#g'
	@gofmt -w detector plugin test
	@echo "the module is $(TO): run make test, then commit"

clean: ## remove what was built
	rm -rf $(BUILD)
