# The program's own commands; `make help` lists them.

# What lab/tools.sh installs is found before it is there.
export PATH := $(shell . lab/env.sh && printf %s "$$PATH")
SCRIPTS = $(shell git ls-files '*.sh' '*/sbin/*' .ci/run)
# Bodies of scripts: the tests put the first line in front.
FAKES = $(shell git ls-files tests/cli/fakes)
PYTHON = $(shell git ls-files '*.py')

.PHONY: help demo test ci bench clean

help: ## This list
	@sed -n 's/^\([a-z-]*\): ## \(.*\)/  make \1	\2/p' Makefile | expand -t 16

demo: ## From nothing to the real tracker answering announces on a host of its own, in ./demo
	@lab/demo.sh up

test: ## All tests: units, the command line, the documentation, and end to end on the lab
	lab/tools.sh rust nextest
	lab/with.sh cargo nextest run --locked --run-ignored all

ci: ## Format, lints, scripts, playbook, OpenTofu files, licences, and the tests that need no host
	lab/tools.sh rust rust_lints ssh ansible ansible_lint nextest deny shellcheck go
	cargo fmt --check
	cargo clippy --all-targets --locked -- --deny warnings
	shellcheck --external-sources $(SCRIPTS)
	shellcheck --shell=sh $(FAKES)
	python3 -c 'import sys; [compile(open(f).read(), f, "exec") for f in sys.argv[1:]]' $(PYTHON)
	cd lab/tracker-schema-3 && python3 -B -m unittest discover --quiet --top-level-directory . --start-directory tests
	cd templates/ansible && ansible-lint --offline --nocolor configure.yml deploy.yml
	cd lab/providers && test -z "$$(gofmt -l .)" && go vet ./...
	lab/tofu-check.sh
	lab/hetzner.sh test
	cargo deny --locked check bans licenses sources
	cargo nextest run --locked --bins --test cli --test render --test docs

bench: ## How long everything takes, against its goals
	lab/tools.sh rust ssh ansible
	cargo build --release --locked
	lab/with.sh bench/run.py

clean: ## Remove the demo's host and folder, and what was built
	@lab/demo.sh down
	cargo clean
