# The one door of this repository: `make` lists what can be done, scripts/ does it.
# Another interpreter: make test PYTHON=python3.12 (it gets a virtual environment of its own).

SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
export PYTHON

.PHONY: help build demo test test-all lint bench fmt docs clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## set up .venv in this checkout and build turnout in release mode
	@scripts/build release

demo: build ## build, then run the demo: one search written nine ways, timed (ARGS=--stay keeps it running)
	@scripts/venv-run turnout demo $(ARGS)

test: ## all that a change must pass: formats, lints, Rust tests, Python end-to-end tests (ARGS goes to pytest)
	@scripts/test fast $(ARGS)

test-all: ## make test, the slow tests, and the same on every other Python found
	@scripts/test all $(ARGS)

lint: ## formats and lints alone
	@scripts/build environment
	@scripts/lint

bench: build ## measure turnout beside its rivals (ARGS="--only json,bare --rounds 1"; see bench/README.md)
	@scripts/bench $(ARGS)

fmt: ## format the Rust and Python sources
	@scripts/build environment
	@scripts/lint --fix

docs: ## write docs/guide/options.md again from the table of options
	@cargo run --quiet --package turnout-config --example reference > docs/guide/options.md

clean: ## remove what the targets above made (virtual environments, target/, caches)
	@scripts/clean
