# What is done often, by name. Everything builds with the libtorch in .libtorch/, which is fetched when
# first needed (with CUDA=1 the one in .libtorch-cuda/), or with the one that LIBTORCH or LIBTORCH_USE_PYTORCH names (scripts/fetch-libtorch --help).

SHELL := bash
CARGO ?= cargo
PIPELINE ?= pipelines/digits.yaml
SCHEMA := schemas/pipeline.schema.json
TENSORBOARD := target/tensorboard

# With CUDA=1 everything is built with a libtorch for NVIDIA GPUs, 2.5 GB to download, in a directory of its own.
ifdef CUDA
export LIBTORCH := $(CURDIR)/.libtorch-cuda
export CARGO_TARGET_DIR := $(CURDIR)/target/cuda
endif

.PHONY: help run test torture memcheck cuda editor browser tensorboard distributed lint schema bench tools libtorch clean distclean
.DEFAULT_GOAL := help

help: ## list these targets
	@echo "make TARGET, where TARGET is one of"
	@awk -F ':[^#]*## ' '/^[a-z]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: libtorch ## train and report on PIPELINE (default: pipelines/digits.yaml)
	@$(CARGO) run --release --locked -- run "$(PIPELINE)"

test: libtorch ## run all tests, with cargo-nextest where it is installed
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	    $(CARGO) nextest run --locked && $(CARGO) test --locked --doc; \
	else \
	    $(CARGO) test --locked; \
	fi

torture: libtorch ## kill runs at every write and at random, fill the disk, and see that nothing is lost; takes some ten minutes
	@$(CARGO) test --locked --features faults --test torture -- --nocapture --test-threads 1

memcheck: libtorch ## run the kernels' tests under valgrind; skipped where it is missing, but not in CI
	@if ! command -v valgrind >/dev/null; then \
	    echo "memcheck: valgrind is missing, so nobody watched the kernels' memory" >&2; [ "$${CI:-}" != true ]; \
	else \
	    tests=$$($(CARGO) test --locked --lib --no-run 2>&1 | sed -n 's/.*(\(target[^)]*\)).*/\1/p') && [ -n "$$tests" ] && \
	    valgrind --quiet --undef-value-errors=no --error-exitcode=1 "$$tests" kernel:: --test-threads=1; \
	fi

cuda: ## build with CUDA and see that libtorch's part for it and NCCL can be loaded; where there is a GPU, its tests run, too
	@$(MAKE) CUDA=1 libtorch
	@export LIBTORCH="$(CURDIR)/.libtorch-cuda" TRAINYARD_TEST_CUDA=1; \
	if [ -e /dev/nvidiactl ]; then export TRAINYARD_TEST_DEVICE=cuda; fi; \
	$(CARGO) test --locked --lib -- --test-threads 1 device && \
	$(CARGO) test --locked --test device -- --test-threads 1

editor: ## test what yaml-language-server makes of the schema; skipped where node or npm is missing, but not in CI
	@if ! { command -v node && command -v npm; } >/dev/null; then \
	    echo "editor: node or npm is missing, so the schema wasn't tested in an editor" >&2; [ "$${CI:-}" != true ]; \
	else \
	    cd tests/editor && npm ci --no-audit --no-fund && node --test; \
	fi

# For this and the next two, TRAINYARD names another binary than that which is built here.
browser: libtorch ## test the report in Chromium; skipped where node, npm or Chromium is missing, but not in CI
	@if ! { command -v node && command -v npm; } >/dev/null; then \
	    echo "browser: node or npm is missing, so no report was opened in a browser" >&2; [ "$${CI:-}" != true ]; \
	elif ! { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null; then \
	    echo "browser: Chromium is missing, so no report was opened in a browser" >&2; [ "$${CI:-}" != true ]; \
	else \
	    { [ -n "$${TRAINYARD:-}" ] || $(CARGO) build --locked; } && \
	    cd tests/browser && npm ci --no-audit --no-fund && node --test; \
	fi

tensorboard: libtorch ## test what TensorBoard reads in event files; skipped where Python cannot make a venv, but not in CI
	@if ! python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "tensorboard: Python 3.11 or its venv is missing, so TensorBoard didn't read event files" >&2; [ "$${CI:-}" != true ]; \
	else \
	    { [ -n "$${TRAINYARD:-}" ] || $(CARGO) build --locked; } && \
	    { cmp -s tests/tensorboard/requirements.txt $(TENSORBOARD)/requirements.txt || { \
	        python3 -m venv --clear $(TENSORBOARD) && \
	        $(TENSORBOARD)/bin/python -m pip install --quiet --requirement tests/tensorboard/requirements.txt && \
	        cp tests/tensorboard/requirements.txt $(TENSORBOARD)/requirements.txt; }; } && \
	    $(TENSORBOARD)/bin/python tests/tensorboard/read_back.py "$${TRAINYARD:-target/debug/trainyard}"; \
	fi

# torchrun comes with PyTorch, which is too large to fetch for this alone.
TORCHRUN ?= $(firstword $(wildcard benches/.venv/bin/torchrun) $(shell command -v torchrun))

distributed: libtorch ## have torchrun start, kill and restart processes; skipped where there is no TORCHRUN
	@if [ -z "$(TORCHRUN)" ]; then \
	    echo "distributed: there is no torchrun, so only the tests in tests/ranks.rs joined processes" >&2; \
	else \
	    { [ -n "$${TRAINYARD:-}" ] || $(CARGO) build --locked; } && \
	    python3 tests/distributed/torchrun.py "$(TORCHRUN)" "$${TRAINYARD:-target/debug/trainyard}"; \
	fi

lint: libtorch ## check formatting, clippy's lints and that the committed schema is the code's
	@$(CARGO) fmt --check
	@$(CARGO) clippy --all-targets --locked -- -D warnings
	@new=$$(mktemp) && trap 'rm -f "$$new"' EXIT && \
	$(CARGO) run --quiet --locked -- schema >"$$new" && \
	{ diff -u $(SCHEMA) "$$new" || { echo "$(SCHEMA) isn't what the code says: run 'make schema'" >&2; exit 1; }; }

schema: libtorch ## write the JSON schema anew from the code
	@mkdir -p $(dir $(SCHEMA))
	@new=$$(mktemp) && trap 'rm -f "$$new"' EXIT && \
	$(CARGO) run --quiet --locked -- schema >"$$new" && cat "$$new" >$(SCHEMA) && echo "wrote $(SCHEMA)"

# BENCH holds arguments, as in BENCH="--rounds 3 throughput"; TRAINYARD names another binary than that which is built here.
bench: libtorch ## measure speed beside PyTorch and Keras; takes two to three hours (BENCH=--quick: minutes)
	@[ -n "$${TRAINYARD:-}" ] || $(CARGO) build --release --locked
	@benches/run $(BENCH)

tools: ## name the tools that are missing
	@scripts/check-tools

libtorch: tools ## fetch libtorch, unless it is there
	@scripts/fetch-libtorch $(if $(CUDA),--cuda "$(LIBTORCH)")

clean: ## remove what was built; libtorch and the runs stay
	@$(CARGO) clean

distclean: clean ## remove libtorch too; the runs stay
	@rm -rf .libtorch .libtorch-cuda .libtorch.tmp.* .libtorch-cuda.tmp.*
