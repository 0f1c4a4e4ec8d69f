# Two commands do everything on a fresh Debian 12:  make demo   make test   (and `make check` adds the long ones).
PRESET ?= release
PYTHON ?= python3
BUILD := build/$(PRESET)
VENV := .venv
RESULTS := build/test-results
ifeq ($(shell id -u),0)
export OMPI_ALLOW_RUN_AS_ROOT := 1
export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM := 1
endif
MPIRUN := mpirun --oversubscribe --bind-to none

.PHONY: help demo test check lint chaos fuzz bench bundle gpu-check build configure dependencies check-dependencies clean
help:
	@echo "make demo    install what is missing, build, run a sweep over three small trained models, write a report"
	@echo "make test    install what is missing, build, run the tests"
	@echo "make check   the long tests too: sanitizers, lint, fuzzing, CUDA build, kill-and-resume, Slurm, readers, browser"
	@echo "make lint    clang-tidy over src/ and kernels/ (a part of make check)"
	@echo "make chaos   TRIALS=200 sweeps that are killed, stopped and starved of disk, then resumed (SEED=... repeats)"
	@echo "make fuzz    a million inputs for each reader of untrusted files (RUNS=... or FUZZ_SECONDS=... for each)"
	@echo "make bundle  a folder that runs on machines with no packages (PRESET=cuda: with the CUDA backend)"
	@echo "make gpu-check   on a machine with a GPU: its tests and a benchmark (BUNDLE=folder: takes that bundle)"
	@echo "make bench   measure forks against the naive loop, and print a table"

dependencies:
	@scripts/install_dependencies.sh

check-dependencies:
	@scripts/install_dependencies.sh check

$(VENV)/.ready: analysis/pyproject.toml | dependencies
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e "analysis[test]"
	@touch $@

$(BUILD)/build.ninja: CMakeLists.txt CMakePresets.json | dependencies
	cmake --preset $(PRESET) -DSTEERGRID_PYTHON=$(abspath $(VENV))/bin/python -DSTEERGRID_WERROR=$(or $(WERROR),OFF)

build: dependencies $(VENV)/.ready $(BUILD)/build.ninja
	cmake --build $(BUILD)

demo: dependencies $(VENV)/.ready $(BUILD)/build.ninja
	cmake --build $(BUILD) --target steergrid
	$(MPIRUN) -n 3 $(BUILD)/steergrid run jobs/demo/sweep.yaml
	$(BUILD)/steergrid status jobs/demo/results/demo.h5
	$(BUILD)/steergrid report jobs/demo/results/demo.h5 -o jobs/demo/results/report
	@echo "Report: jobs/demo/results/report/report.html"
	@if [ -n "$$DISPLAY" ] && command -v xdg-open >/dev/null; then xdg-open jobs/demo/results/report/report.html; fi

test: build
	@mkdir -p $(RESULTS)
	ctest --test-dir $(BUILD) --output-on-failure --label-exclude long --output-junit $(abspath $(RESULTS))/ctest.xml
	STEERGRID=$(abspath $(BUILD))/steergrid STORE_WRITER=$(abspath $(BUILD))/tests/store/store_writer \
	  $(VENV)/bin/python -m pytest -q tests -m "not long" -n 2 \
	  --junitxml=$(RESULTS)/pytest.xml

check: check-dependencies build
	scripts/check.sh $(BUILD) $(VENV) $(RESULTS)

chaos: export TRIALS ?= 200
chaos: build
	STEERGRID=$(abspath $(BUILD))/steergrid $(VENV)/bin/python -m pytest -q tests/chaos

lint: check-dependencies build
	scripts/lint.sh $(BUILD)

fuzz: check-dependencies
	scripts/fuzz.sh $(if $(FUZZ_SECONDS),-max_total_time=$(FUZZ_SECONDS),-runs=$(or $(RUNS),1000000))

bench: build
	benchmarks/run.sh $(BUILD)

bundle: build
	cmake --build $(BUILD) --target steergrid_bundled
	scripts/bundle.sh $(BUILD) build/bundle-$(PRESET)

gpu-check:
	scripts/gpu_check.sh build/gpu-check $(BUNDLE)

clean:
	rm -rf build
