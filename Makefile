# hacky: every target works on a machine with only Go and make; picture needs tmux.
SHELL := /bin/sh
BIN := bin/hacky
TOOLS := $(CURDIR)/.tools/bin
PKGS := ./...

# Tools, pinned.
GOLANGCI_VERSION := v2.15.0
BENCHSTAT_VERSION := v0.0.0-20260908200009-22c9c6c9d4da

FUZZTIME ?= 30s
BENCHFLAGS ?=

.PHONY: all build demo test unprivileged deps check fmt vet lint layering cross race bench bench-go fuzz sim generate picture clean help

all: build

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1: \2/p' $(MAKEFILE_LIST)

build: ## build bin/hacky, a static binary
	CGO_ENABLED=0 go build -trimpath -o $(BIN) .

demo: build ## run the example backlog end to end, with a forced flush failure and its recovery
	@sh testdata/demo.sh $(CURDIR)/$(BIN)

test: deps build unprivileged ## every test; installs what it needs
	go test $(PKGS)

# What permissions keep from us cannot be seen as root: those tests skip then,
# and run here as nobody.
unprivileged:
	@if [ "$$(id -u)" = 0 ] && command -v setpriv >/dev/null 2>&1; then \
		dir=$$(mktemp -d) && chmod 755 $$dir && trap 'rm -rf '$$dir EXIT && \
		go test -c -o $$dir/agent.test ./internal/agent && go test -c -o $$dir/doctor.test ./internal/doctor && cd $$dir && \
		for t in "agent.test TestUnwritableDirectory" "doctor.test TestPermissions"; do set -- $$t; \
			setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent ./$$1 -test.v -test.run "^$$2\$$" > out 2>&1; \
			grep -q "^--- PASS: $$2 " out || { cat out; exit 1; }; \
		done; \
	fi

# strace injects faults into the built binary's system calls, chromium shows the
# report, tmux is the terminal of the live view, zsh and fish read their completion
# scripts. Without root, or where there is no apt, the tests that need them say so
# and are skipped.
deps:
	@if command -v apt-get >/dev/null 2>&1 && [ "$$(id -u)" = 0 ]; then \
		for tool in strace chromium tmux zsh fish; do \
			command -v $$tool >/dev/null 2>&1 || \
			(apt-get install -y -qq --no-install-recommends $$tool || (apt-get update -qq && apt-get install -y -qq --no-install-recommends $$tool)) >/dev/null 2>&1 || \
			echo "$$tool cannot be installed; the tests that need it will be skipped" >&2; \
		done; \
	fi

check: fmt vet lint cross race ## format, vet, golangci-lint, layering, both platforms, tests with -race

fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "gofmt would change:"; echo "$$out"; exit 1; }

vet:
	go vet $(PKGS)

lint: $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
	$(TOOLS)/golangci-lint-$(GOLANGCI_VERSION) run $(PKGS)

layering: ## who may import whom
	go test -run TestLayering ./internal/layering

cross: ## both platforms build
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 go vet ./cmd/... ./internal/... .
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build -o /dev/null .

race: deps build
	go test -race $(PKGS)

bench: build ## whole processes beside make, ninja and others; then the Go benchmarks beside their yardsticks
	go run ./bench -hacky $(CURDIR)/$(BIN) $(BENCHFLAGS)
	$(MAKE) bench-go

bench-go: $(TOOLS)/benchstat-$(BENCHSTAT_VERSION)
	go test -run '^$$' -bench . -benchmem -count 5 ./internal/... > .tools/bench.txt || { cat .tools/bench.txt; exit 1; }
	$(TOOLS)/benchstat-$(BENCHSTAT_VERSION) .tools/bench.txt

fuzz: ## every fuzz target for FUZZTIME
	@set -e; for pkg in $$(go list ./internal/...); do \
		for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg; \
		done; \
	done

sim: ## the deterministic simulations with more seeds: make sim SEEDS=50000, or one: make sim SEED=7
	@set -e; for pkg in journal session engine/... schedule; do \
		HACKY_SIM_SEEDS=$(or $(SEEDS),20000) HACKY_SIM_SEED=$(SEED) go test -count 1 -timeout 2h -run Sim ./internal/$$pkg || \
			{ echo "a seed that failed is named above; again: make sim SEED=..." >&2; exit 1; }; \
	done

generate: build ## regenerate configs/hacky.yaml, configs/schema, the table in docs/configuration.md, and docs/cli
	go generate $(PKGS)
	$(BIN) man --format markdown --dir docs/cli

picture: build ## draw docs/tour.svg, the picture in the README, anew (tmux)
	go run ./docs/tour -hacky $(BIN) > docs/tour.svg.new && mv docs/tour.svg.new docs/tour.svg

clean:
	rm -rf bin .tools

# A tool's version is part of its file's name, so another pin installs anew.
$(TOOLS)/golangci-lint-$(GOLANGCI_VERSION):
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $(TOOLS)/golangci-lint $@

$(TOOLS)/benchstat-$(BENCHSTAT_VERSION):
	GOBIN=$(TOOLS) go install golang.org/x/perf/cmd/benchstat@$(BENCHSTAT_VERSION)
	mv $(TOOLS)/benchstat $@
