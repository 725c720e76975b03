# make run    a tour: install, compile the schemas, open a real device state, frame it, take it back
# make test   everything that must hold (installs what it needs)
# make soak   the long runs as well
# make bench  side-by-side measurements
# make demo   two QEMUs, a guard, a killed primary, and the count goes on
# make coverage  docs/coverage.md anew, from what live machines send
# make goldens  rewrite goldens and error headers (the run fails, so that it is not taken for a test)

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STATE  := tests/data/pc.state.xz
JOBS   ?= 2

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run demo test soak bench coverage goldens lint types qemu clean

$(BIN)/vmsc: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.dev: pyproject.toml $(BIN)/vmsc
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

run: $(BIN)/vmsc
	$(BIN)/vmsc compile schemas -o build
	@$(BIN)/python -c "import lzma, pathlib; \
	  pathlib.Path('build/pc.state').write_bytes(lzma.open('$(STATE)').read())"
	$(BIN)/vmsc info build/pc.state --machine tests/data/pc.machine.json
	@$(BIN)/vmsc decode build/pc.state --machine tests/data/pc.machine.json > build/pc.json
	@$(BIN)/vmsc encode build/pc.json -o build/pc.encoded
	@cmp build/pc.state build/pc.encoded && echo "decode, encode: the bytes came back identical"
	@$(BIN)/vmsc frame build/pc.state --machine tests/data/pc.machine.json -o build/pc.vmsf
	@$(BIN)/vmsc unframe build/pc.vmsf -o build/pc.unframed
	@cmp build/pc.state build/pc.unframed && echo "frame, unframe: the bytes came back identical"

demo: $(VENV)/.dev qemu
	$(BIN)/python docs/demo/demo.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The plugins are packages of vmsc only once it is installed, and mypy looks at what is installed.
types: $(VENV)/.dev
	rm -rf build/types
	$(BIN)/python -m pip install --quiet --no-deps --target build/types .
	cp pyproject.toml build/types/
	cd build/types && ../../$(BIN)/mypy -p vmsc
	MYPYPATH=build/types:tests $(BIN)/mypy --config-file pyproject.toml tests bench

# The two QEMUs, the TPM that runs beside one, and what makes hosts of a test's own.
qemu:
	@{ command -v qemu-system-x86_64 && command -v qemu-system-aarch64 && \
	  command -v swtpm && command -v ip; } >/dev/null || { \
	  sudo=; [ "$$(id -u)" = 0 ] || sudo="sudo -n"; \
	  $$sudo apt-get update -qq && \
	  $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    qemu-system-x86 qemu-system-arm swtpm iproute2 >/dev/null; \
	} || echo "QEMU could not be installed: tests that need a live one will say so"

# docs/coverage.md, from what live machines send
coverage: $(VENV)/.dev qemu
	$(BIN)/python tests/coverage_page.py

test: lint types qemu
	$(BIN)/pytest -m "not soak" -n $(JOBS) --dist loadgroup

soak: $(VENV)/.dev qemu
	$(BIN)/pytest -n $(JOBS) --dist loadgroup

bench: $(VENV)/.dev
	$(BIN)/python bench/startup.py
	$(BIN)/python bench/generated.py
	$(BIN)/python bench/analyze.py
	$(BIN)/python bench/guard.py
	$(BIN)/python bench/caught.py
	$(BIN)/python bench/pause.py

goldens: $(VENV)/.dev
	$(BIN)/pytest --update tests/test_errors.py tests/test_golden.py

clean:
	rm -rf build $(VENV)
