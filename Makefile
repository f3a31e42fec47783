# Every target sets up .venv by itself when it is missing or older than what defines it, and builds
# the native engine when its sources changed; without a C++ compiler Recurra runs without it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
ENGINE := src/recurra/engine
COMPILER := $(shell command -v $(CXX) || command -v c++ || command -v clang++)
NATIVE := $(if $(COMPILER),$(ENGINE)/_native.so)
CMAKE = $(BIN)/cmake -S . -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja \
	-DCMAKE_CXX_COMPILER=$(COMPILER) --log-level=WARNING

.PHONY: demo test parity lint format bench docs native sanitize clean

demo: $(READY) $(NATIVE)
	$(BIN)/recurra demo

test: $(READY) $(NATIVE)
	$(BIN)/python -m pytest -n 2

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) $(NATIVE)
	$(BIN)/python -m bench

# The page that is made from the cells.
docs: $(READY)
	$(BIN)/python -m docs.cells_page

native: $(READY) $(NATIVE)

$(ENGINE)/_native.so: CMakeLists.txt $(wildcard $(ENGINE)/csrc/*) | $(READY)
	$(CMAKE) -B build/native -DRECURRA_OUTPUT=$(CURDIR)/$(ENGINE)
	+$(BIN)/cmake --build build/native -- --quiet
	touch $@

# The native tests under the sanitizers, which Python itself was not built with: hence the preload.
sanitize: $(READY) build/address/_native.so build/thread/_native.so
	RECURRA_LIBRARY=$(CURDIR)/build/address/_native.so ASAN_OPTIONS=detect_leaks=0 \
	RECURRA_THREADS=own \
	LD_PRELOAD="$(call runtime,asan) $(call runtime,ubsan)" \
	$(BIN)/python -m pytest $(SANITIZED)
	RECURRA_LIBRARY=$(CURDIR)/build/thread/_native.so RECURRA_THREADS=own \
	TSAN_OPTIONS=ignore_noninstrumented_modules=1:die_after_fork=0:halt_on_error=1 \
	LD_PRELOAD=$(call runtime,tsan) \
	setarch -R $(BIN)/python -m pytest $(SANITIZED)

runtime = $(shell $(COMPILER) -print-file-name=lib$(1).so)
SANITIZED = tests/engine/test_native.py tests/engine/test_native_run.py \
	tests/engine/test_native_harm.py tests/engine/test_native_tiles.py tests/engine/test_stream.py \
	tests/engine/test_matrix.py tests/engine/test_transducer.py \
	-s -k "not level and not left_out and not allocates"

build/address/_native.so: SANITIZERS = address,undefined
build/thread/_native.so: SANITIZERS = thread
build/address/_native.so build/thread/_native.so: CMakeLists.txt $(wildcard $(ENGINE)/csrc/*) | $(READY)
	$(CMAKE) -B $(@D) -DRECURRA_OUTPUT=$(CURDIR)/$(@D) -DRECURRA_SANITIZE=$(SANITIZERS)
	+$(BIN)/cmake --build $(@D) -- --quiet
	touch $@

# Against other libraries, in an environment of their own.
parity: $(NATIVE) .venv-parity/.ready
	$(OUTSIDE)/python -m pytest tests/outside/*.py

OUTSIDE := .venv-parity/bin
.venv-parity/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv-parity
	PIP_CONSTRAINT=constraints.txt \
	$(OUTSIDE)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,parity]'
	touch $@

clean:
	rm -rf .venv .venv-parity build $(ENGINE)/_native.so

# Constraints from the environment hold for the tools of the isolated build too.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear .venv
	PIP_CONSTRAINT=constraints.txt \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(READY)
