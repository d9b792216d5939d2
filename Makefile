# newterms: first-seen detection inside Fluent Bit.

GO     ?= go
CC     ?= cc
BUILD  := build
SO     := $(BUILD)/out_newterms.so
CMD    := $(BUILD)/newterms
HOST   := $(BUILD)/host
GOFILES := $(shell find detector plugin -name '*.go' -o -name '*.c' -o -name '*.h') go.mod go.sum

# CI asks for the race detector; it triples the time of a test run.
RACE ?=

.DEFAULT_GOAL := help
.PHONY: help build build-amd64 build-arm64 test lint demo chaos fuzz clean

help: ## what make can do
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: $(SO) $(CMD) ## build/out_newterms.so (the plugin) and build/newterms (the command)

$(SO): $(GOFILES)
	CGO_ENABLED=1 $(GO) build -trimpath -buildmode=c-shared -ldflags='-s -w' -o $@ ./plugin
	@rm -f $(BUILD)/out_newterms.h

$(CMD): $(GOFILES)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o $@ ./detector/cmd/newterms

# Each architecture's compiler by its full name, which Debian has for its own
# architecture as well as for others (gcc-aarch64-linux-gnu).
build-amd64: $(BUILD)/amd64/out_newterms.so $(BUILD)/amd64/newterms ## build/amd64: both, with x86_64-linux-gnu-gcc
build-arm64: $(BUILD)/arm64/out_newterms.so $(BUILD)/arm64/newterms ## build/arm64: both, with aarch64-linux-gnu-gcc

$(BUILD)/amd64/%: CROSS_CC := x86_64-linux-gnu-gcc
$(BUILD)/arm64/%: CROSS_CC := aarch64-linux-gnu-gcc

$(BUILD)/%/out_newterms.so: $(GOFILES)
	CGO_ENABLED=1 GOOS=linux GOARCH=$* CC=$(CROSS_CC) $(GO) build -trimpath -buildmode=c-shared -ldflags='-s -w' -o $@ ./plugin
	@rm -f $(BUILD)/$*/out_newterms.h

$(BUILD)/%/newterms: $(GOFILES)
	CGO_ENABLED=0 GOOS=linux GOARCH=$* $(GO) build -trimpath -ldflags='-s -w' -o $@ ./detector/cmd/newterms

$(HOST): $(wildcard test/host/*.c test/host/*.h)
	@mkdir -p $(BUILD)
	$(CC) -std=gnu11 -O2 -g -Wall -Wextra -Werror -pthread -rdynamic -o $@ $(wildcard test/host/*.c) -ldl

test: build $(HOST) ## all tests; those with a real Fluent Bit need fluent-bit on the PATH
	$(GO) test $(RACE) ./...

lint: ## gofmt and go vet, with and without cgo
	@test -z "$$(gofmt -l detector plugin test)" || { gofmt -d detector plugin test; exit 1; }
	$(GO) vet ./...
	CGO_ENABLED=0 $(GO) vet ./detector/...

demo: build $(HOST) ## the main job on a real audit log: learn from its first part, alert on the rest
	@$(GO) run ./test/demo $(BUILD)

LONG ?=
chaos: ## kills, failing disks, reloads, dead receivers, floods (2 minutes; LONG=-long: hundreds of rounds)
	$(GO) run ./test/chaos $(LONG)

FUZZTIME ?= 30s
fuzz: ## every fuzz target for FUZZTIME (30s)
	@for pkg in $$($(GO) list ./detector/...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg | grep ^Fuzz); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; done

clean: ## remove what was built
	rm -rf $(BUILD)
