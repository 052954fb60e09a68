.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
DS ?= 2017-12-03
FROM ?= 2017-11-27
TO ?= 2017-12-03
UV := uv==0.13.9

export NBO_HOME ?= $(CURDIR)/var
export AIRFLOW_HOME := $(NBO_HOME)/airflow
export AIRFLOW__CORE__DAGS_FOLDER := $(CURDIR)/dags
# airflow.cfg has absolute paths: where the home was moved, these win
export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN ?= sqlite:///$(AIRFLOW_HOME)/airflow.db
export AIRFLOW__LOGGING__BASE_LOG_FOLDER := $(AIRFLOW_HOME)/logs
export AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY := $(AIRFLOW_HOME)/logs/dag_processor
export AIRFLOW__CORE__PLUGINS_FOLDER := $(AIRFLOW_HOME)/plugins
export AIRFLOW__CORE__LOAD_EXAMPLES := False
export AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION := False
export AIRFLOW__CORE__PARALLELISM ?= 4
export AIRFLOW__CORE__UNIT_TEST_MODE := False
export AIRFLOW__API__HOST ?= 127.0.0.1
export AIRFLOW__API__PORT ?= 8080
export AIRFLOW__CORE__EXECUTION_API_SERVER_URL := http://$(AIRFLOW__API__HOST):$(AIRFLOW__API__PORT)/execution/
export AIRFLOW__USAGE_DATA_COLLECTION__ENABLED := False
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1
export PYTHONWARNINGS := ignore
export TF_CPP_MIN_LOG_LEVEL ?= 2
# compiled modules halve the start of every stage: have them written whatever the shell says
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
NBO := $(BIN)/nbo
# $(call run_night,DAY): without a logical date, so that the run stands in the UI with the time it took
run_night = AIRFLOW__LOGGING__LOGGING_LEVEL=WARNING $(BIN)/airflow dags test --conf '{"run_date": "'$(1)'"}' \
  --dagfile-path $(CURDIR)/dags/nightly_next_best_offer.py nightly_next_best_offer

.PHONY: help env demo airflow-db nightly backfill airflow mlflow test test-night test-fast lint fmt bench lock clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

env: .venv/ready ## make .venv with the exact versions of requirements.lock

# uv installs in a third of pip's time; where it cannot (a private index in pip.conf), pip does
.venv/ready: requirements.lock setup.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV) 2>/dev/null || true
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . 2>/dev/null
	touch $@

demo: env ## lay out the demonstration CRM under var/crm (HOUSEHOLDS=300 for a slice)
	@$(NBO) demo $(if $(HOUSEHOLDS),--households $(HOUSEHOLDS))

airflow-db: env
	@umask 077; mkdir -p "$(AIRFLOW_HOME)"
	@test -f "$(AIRFLOW_HOME)/migrated" || { echo "making Airflow's metadata database ..."; \
	  $(BIN)/airflow db migrate >"$(AIRFLOW_HOME)/migrate.log" 2>&1 || { cat "$(AIRFLOW_HOME)/migrate.log"; exit 1; }; \
	  touch "$(AIRFLOW_HOME)/migrated"; }

nightly: demo airflow-db ## run the night DS=YYYY-MM-DD through Airflow and show its results
	@$(NBO) doctor --quiet
	@$(call run_night,$(DS))
	@$(NBO) show --ds $(DS)

backfill: demo airflow-db ## run the nights FROM=... TO=... in order, then measure them where the truth is known
	@$(NBO) doctor --quiet
	@for day in $$($(BIN)/nbo days $(FROM) $(TO)); do \
	  $(call run_night,$$day) || exit 1; \
	done
	@$(NBO) evaluate --from $(FROM) --to $(TO)

# the demonstration ends in 2017: nothing starts by the clock, triggers and back-fills do
airflow: demo airflow-db ## serve Airflow's UI with the DAGs unpaused (stop with Ctrl-C or by its pid)
	@AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE=$${AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE:-False} PATH="$(CURDIR)/$(BIN):$$PATH" \
	  AIRFLOW__API_AUTH__JWT_SECRET=$${AIRFLOW__API_AUTH__JWT_SECRET:-$$($(BIN)/python -c 'import secrets; print(secrets.token_hex(64))')} \
	  AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS=True \
	  exec $(NBO) airflow --with-parent

mlflow: env ## serve MLflow's UI on 127.0.0.1:5000
	@$(BIN)/mlflow ui --backend-store-uri sqlite:///$(NBO_HOME)/mlflow.db --host 127.0.0.1 --port 5000

test: env ## set up and run the tests of all parts
	$(BIN)/pytest -m "not night" -n 2 --dist loadfile

test-night: env ## kill every stage of a night on a slice and run it again (some ten minutes)
	$(BIN)/pytest -m night

test-fast: env ## the tests that need no Spark and no child processes
	$(BIN)/pytest -m "not spark and not slow and not night"

lint: env ## formatting, lint rules, layers and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

fmt: env ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: env demo ## compare with peers in the same run; prints ratios
	@for file in bench/*/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

lock: env ## resolve the versions anew into requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --no-annotate --no-header \
	  --extra demo --extra postgres --extra test --extra bench setup.py -o requirements.lock

clean: ## remove everything the demonstration made
	rm -rf var
