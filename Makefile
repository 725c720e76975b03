PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STATE  := tests/data/pc.state.xz
JOBS   ?= 2
SECONDS ?= 60

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help run demo check test soak fuzz bench coverage goldens lint types qemu clean
.DEFAULT_GOAL := help

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(BIN)/vmsc: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.dev: pyproject.toml $(BIN)/vmsc
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

run: $(BIN)/vmsc ## a tour: install, compile the schemas, open a real device state, frame it, take it back
	$(BIN)/vmsc compile schemas
	@mkdir -p build
	@$(BIN)/python -c "import lzma, pathlib; \
	  pathlib.Path('build/pc.state').write_bytes(lzma.open('$(STATE)').read())"
	$(BIN)/vmsc info build/pc.state --machine tests/data/pc.machine.json
	@$(BIN)/vmsc decode build/pc.state --machine tests/data/pc.machine.json > build/pc.json
	@$(BIN)/vmsc encode build/pc.json -o build/pc.encoded
	@cmp build/pc.state build/pc.encoded && echo "decode, encode: the bytes came back identical"
	@$(BIN)/vmsc frame build/pc.state --machine tests/data/pc.machine.json -o build/pc.vmsf
	@$(BIN)/vmsc unframe build/pc.vmsf -o build/pc.unframed
	@cmp build/pc.state build/pc.unframed && echo "frame, unframe: the bytes came back identical"

demo: $(VENV)/.dev qemu ## two QEMUs, a guard, a killed primary, and the count goes on
	$(BIN)/python docs/demo/demo.py

lint: $(VENV)/.dev ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The plugins are packages of vmsc only once it is installed, and mypy looks at what is installed.
types: $(VENV)/.dev ## mypy --strict, plugins and tests included, as on each platform
	rm -rf build/types
	$(BIN)/python -m pip install --quiet --no-deps --target build/types .
	cp pyproject.toml build/types/
	cd build/types && for platform in linux darwin win32; do \
	  ../../$(BIN)/mypy --platform $$platform --cache-dir ../mypy/$$platform -p vmsc || exit 1; done
	MYPYPATH=build/types:tests/support:fuzz:fuzz/entrances $(BIN)/mypy --config-file pyproject.toml tests bench fuzz

# The two QEMUs, the TPM that runs beside one, and what makes hosts of a test's own.
qemu: ## install what the live tests need (apt-get)
	@{ command -v qemu-system-x86_64 && command -v qemu-system-aarch64 && \
	  command -v swtpm && command -v ip; } >/dev/null || { \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo="sudo -n"; \
	  $$sudo apt-get update -qq && \
	  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    qemu-system-x86 qemu-system-arm swtpm iproute2 >/dev/null; \
	} || echo "QEMU could not be installed: tests that need a live one will say so"

coverage: $(VENV)/.dev qemu ## docs/coverage.md anew, from what live machines send
	$(BIN)/python tests/support/coverage_page.py

check: lint types ## lint, types and the fast tests: before each commit
	$(BIN)/pytest -m fast -n $(JOBS) --dist loadgroup

test: lint types qemu ## everything that must hold; installs what it needs
	$(BIN)/pytest -m "not soak" -n $(JOBS) --dist loadgroup --durations=10

# PART: a folder of tests/; without one, all of them in turn.
soak: $(VENV)/.dev qemu ## the long tests; PART=codecs: those of tests/codecs
	$(BIN)/pytest -m soak -n $(JOBS) --dist loadgroup --durations=10 tests/$(PART)

# ATHERIS=--atheris: with libFuzzer, which follows the code's branches.
fuzz: $(VENV)/.dev ## damaged inputs for each entrance of fuzz/; SECONDS=60 for each
	@[ -z "$(ATHERIS)" ] || $(BIN)/python -m pip install --quiet --editable '.[fuzz]'
	@broken=; for path in fuzz/entrances/*.py; do name=$$(basename $$path .py); \
	  $(BIN)/python fuzz/run.py $$name --seconds $(SECONDS) $(ATHERIS) || broken="$$broken $$name"; \
	done; [ -z "$$broken" ] || { echo "broken:$$broken"; exit 1; }

# A gate that is missed is reported, and the rest goes on.
bench: $(VENV)/.dev ## side-by-side measurements
	@missed=; for name in startup generated growth analyze guard caught pause; do \
	  echo "== bench/$$name.py"; $(BIN)/python bench/$$name.py || missed="$$missed $$name"; \
	done; [ -z "$$missed" ] || { echo "missed a gate:$$missed"; exit 1; }

goldens: $(VENV)/.dev ## rewrite goldens and error headers (fails, so that it is not taken for a test)
	$(BIN)/pytest --update tests/schema/test_errors.py tests/plan/test_golden.py

clean: ## remove what was made here
	rm -rf build generated $(VENV)
