# The few commands a person types. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := train
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
PORT ?= 3000
# A machine with internet and no GPU saves gigabytes with
# make TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=

# The environment every command runs in: nothing calls home, nothing is looked up on a hub.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM = false
export BENTOML_DO_NOT_TRACK = True
export BENTOML_HOME ?= $(CURDIR)/.bentoml
export MLFLOW_DISABLE_TELEMETRY = true
export DO_NOT_TRACK = true
export DVC_NO_ANALYTICS = 1
export ITERATIVE_DO_NOT_TRACK = 1
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION = false
export RAY_USAGE_STATS_ENABLED = 0
# Compiled once, not by each process: torch, MLflow and BentoML take seconds without.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help train install test fuzz lint format serve summary mlflow clean quick best peer-split league retrain replay monitor schedule report bench faults soak bento image scan

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.installed: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -r requirements.lock
	touch $@

install: $(VENV)/.installed  ## create .venv with the pinned lock

train: install  ## tickets to a certified, registered, published bundle (the default)
	dvc repro
	python -m pipelines.register
	@python -m evaluation.summary

retrain: install  ## learn from new feedback; what passes the gate competes as challenger
	python -m pipelines.retrain

# Runs with a list of params from pipelines/profiles, then puts params.yaml back, also after ^C:
# the next `make` is to train with the params one reads there.
define run_profile
	@mkdir -p .cache && cp params.yaml .cache/params.yaml
	@trap 'mv .cache/params.yaml params.yaml' EXIT; \
	dvc exp run $(shell sed "s/.*/-S '&'/" pipelines/profiles/$@.txt | tr '\n' ' ') && \
	python -m evaluation.summary
endef

quick: install  ## the same in minutes, for trying things out: small figures, honest certificate
	$(run_profile)

best: install  ## two final fits averaged, one of them training all layers: about an hour
	$(run_profile)

peer-split: install  ## the shipped params on the published test split of the second peer
	$(run_profile)

league: install  ## every public benchmark against the published figures: hours; one: LEAGUE=clinc150
	python -m pipelines.league $(LEAGUE)
	python -m evaluation.readme

monitor: install  ## check accuracy, certificates and drift of what was answered
	python -m pipelines.monitor

replay: install  ## years of real tickets through the loop, resumable (PROFILE=quick|full|incidents)
	python -m pipelines.replay --profile $(or $(PROFILE),quick)

schedule: install  ## run monitor, experiment, drift, collect, retrain and report on a clock
	python -m pipelines.schedule

report: install  ## last month of the service as one page
	python -m pipelines.report_period

bench: install  ## measure serving beside others, about 25 minutes, resumable (QUICK=1 | SOAK=minutes)
	python -m serving.bench $(if $(QUICK),--quick) $(if $(SOAK),--soak $(SOAK))

faults: install  ## break one thing after the other under a running service (FAULTS="NAME NAME")
	python -m serving.drills $(FAULTS); status=$$?; python -m evaluation.faults; exit $$status

soak: install  ## hold half of peak with a kill, a reload and a store outage inside (MINUTES=60 RATE=50)
	python -m serving.drills soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(RATE),--rate $(RATE)); \
	status=$$?; python -m evaluation.faults; exit $$status

summary: install  ## print the figures of the last run again
	@python -m evaluation.summary

serve: install  ## serve the champion over HTTP (HOST=127.0.0.1 PORT=3000)
	mkdir -p $(BENTOML_HOME)
	bentoml serve serving.service:TicketAssistantService --host $(HOST) --port $(PORT)

bento: install  ## build a bento with what is published inside
	@mkdir -p $(BENTOML_HOME)
	python -m deploy.bento --published models/published

image: install  ## build the images of service and jobs (needs docker; VERSION=0.1.0)
	docker build --file deploy/docker/Dockerfile --target serving --tag ticket-assistant-serving:$(or $(VERSION),0.1.0) .
	docker build --file deploy/docker/Dockerfile --target jobs $(if $(TORCH_INDEX),--build-arg TORCH_INDEX=$(TORCH_INDEX)) --tag ticket-assistant:$(or $(VERSION),0.1.0) .

scan: install  ## licences, secrets, and the bill of materials of the image (.cache/sbom.json)
	python -m deploy.serving_lock --check
	python -m deploy.licences
	python -m deploy.secret_scan
	python -m deploy.sbom .cache/sbom.json

mlflow: install  ## open the runs in the browser (port 5000)
	mlflow ui --backend-store-uri sqlite:///mlflow.db

lint: install  ## style and types
	ruff check .
	ruff format --check .
	mypy

format: install  ## mend the style
	ruff check --fix .
	ruff format .

test: install  ## style, types, then all tests with coverage
	ruff check .
	ruff format --check .
	mypy
	OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report=term

fuzz: install  ## ask the whole HTTP contract 20,000 times and more what it does not expect
	OMP_NUM_THREADS=1 TICKETS_FUZZ=1500 python -m pytest -s tests/serving/test_fuzz.py

clean:  ## remove what was made, keep the environment and what was fetched
	rm -rf data/prepared models/trained models/bundles evaluation/reports .cache
	find models/former -mindepth 1 ! -name .gitignore -delete
