# One way in: people, README and CI use these targets and nothing else. `make` alone explains them.

PROFILES := $(shell tail -n +2 profiles.csv | cut -d, -f1)
# .env gives what neither the command line nor the environment says.
$(foreach line,$(shell sed -n 's/^\([A-Z_]*\)=/\1?=/p' .env 2>/dev/null),$(eval $(line)))
# What takes all profiles takes one where it is named.
NAMED := $(if $(filter command line environment,$(origin PROFILE)),$(PROFILE))
CHOSEN := $(or $(NAMED),$(PROFILES))
PROFILE ?= nginx
export PROFILE STACK TAG PORT TLS_PORT MAIL_PORT BIND WEB_CONCURRENCY APP_MEMORY APP APP_ENV APP_PREFIX SERVER_NAME DEST MAIL_SERVER MAIL_SMTP_PORT TUNNEL_HOST TUNNEL_NAME

.DEFAULT_GOAL := help
.PHONY: help up down status logs reload smoke test test-host bench bench-curves bench-settings bench-check prove-config verify export static tunnel lint lock secrets clean known-profile

help: ## Explain the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\n  PROFILE=%s (now: %s)\n' '$(subst $() ,|,$(strip $(PROFILES)))' '$(PROFILE)'
	@printf '  PORT=8080  TLS_PORT=8443  MAIL_PORT=1080  BIND=127.0.0.1\n  STACK=flask (a name that keeps two stacks apart)  TAG=latest (of the images)\n'
	@printf '  WEB_CONCURRENCY=2 (processes of the application, one for each core)\n'
	@printf '  APP=../myproject/app.py:app (another WSGI application in place of ours)\n'

known-profile:
	@case " $(PROFILES) " in *" $(PROFILE) "*) ;; *) \
	  echo "error: there is no profile '$(PROFILE)'. Choose one of: $(PROFILES)" >&2; exit 1;; esac

up: known-profile ## Start PROFILE in place of what runs; installs and builds what is missing
	@docker/up.sh $(PROFILE)

down: ## Stop and remove the stack; the data stays
	@docker/down.sh

status: ## Show the containers of the stack, and their health
	@docker compose --profile '*' ps --all

logs: ## Follow the logs of the stack
	@docker compose --profile '*' logs --follow --tail 50

reload: ## Take new code, templates or server configuration into service, without a stop
	@docker/reload.sh

smoke: known-profile ## Check the running PROFILE in seconds; JUnit goes to results/smoke-PROFILE.xml
	@tests/setup.sh
	@.venv/bin/pytest -q --maxfail 10 --tb short tests/contract --profiles $(PROFILE) --base-url http://127.0.0.1:$${PORT:-8080} \
	  --junitxml results/smoke-$(PROFILE).xml

test: known-profile ## Set up everything and test all (or what is of one profile: PROFILE=apache)
	@tests/test.sh $(CHOSEN)

test-host: known-profile ## Run PROFILE's README on a fresh Debian with systemd, and test what comes of it
	$(call prepare,$(PROFILE))
	@.venv/bin/pytest -q --numprocesses 4 --dist loadgroup tests/host/test_debian.py tests/host/test_operation.py tests/host/test_siblings.py tests/host/test_upgrade.py tests/host/test_older.py -k '$(PROFILE) and not $(PROFILE)-gunicorn and not $(PROFILE)-fastcgi and not $(PROFILE)-spawn' || { code=$$?; [ $$code -ne 5 ] \
	  || echo "error: the README of $(PROFILE) is not run by a test yet; systemd/files.csv names those that are." >&2; exit $$code; }

# All that the tools of a developer need, and the images of the profiles in $(1).
define prepare
	@tests/setup.sh
	@docker/engine.sh
	@docker/base-image.sh
	@docker/secrets.sh
	@docker/images.sh $(1)
	@docker/certs.sh
endef

bench: known-profile ## Measure every profile, or PROFILE: docs/benchmarks.md (ROUNDS=3 DURATION=2)
	$(call prepare,$(CHOSEN))
	@.venv/bin/python -m bench $(NAMED) --rounds $(or $(ROUNDS),3) --seconds $(or $(DURATION),2)

bench-curves: known-profile ## Measure PROFILE with more connections, processes, rows, uploads
	$(call prepare,$(PROFILE))
	@.venv/bin/python -m bench.curves $(PROFILE) --rounds $(or $(ROUNDS),3) --seconds $(or $(DURATION),2)

bench-settings: known-profile ## Measure what each setting of bench/settings.csv gains: of PROFILE, or of all
	$(call prepare,$(or $(NAMED),nginx apache lighttpd))
	@.venv/bin/python -m bench.settings $(NAMED) --rounds $(or $(ROUNDS),3) --seconds $(or $(DURATION),2)

bench-check: bench ## Measure, and fail where a request costs over 15 % more than in bench/results.json
	@.venv/bin/python -m bench.check

prove-config: known-profile ## Take each line of PROFILE's configuration away: which does no test miss? (hours)
	@tests/setup.sh
	@docker/engine.sh
	@docker/base-image.sh
	@.venv/bin/python -m tests.prove_config $(PROFILE)

verify: ## Hold any server against docs/contract.md, from outside: URL=https://my.example.org (docs/verify.md)
	@tests/setup.sh
	@.venv/bin/python -m verify '$(URL)' $(if $(ONLY),--only '$(ONLY)') $(if $(SKIP),--skip '$(SKIP)') \
	  $(if $(CA),--ca '$(CA)') $(if $(INSECURE),--insecure)

export: known-profile ## Write what a Debian server needs to DEST: PROFILE=nginx SERVER_NAME=www.example.org DEST=folder
	@python3 systemd/export.py --check "$$PROFILE" "$$SERVER_NAME" "$$DEST" # building takes minutes
	@docker/static.sh
	@python3 systemd/export.py "$$PROFILE" "$$SERVER_NAME" "$$DEST"

static: ## Write the static files to static/, for a hosted platform (docs/hosted.md)
	@docker/static.sh

tunnel: ## Lead visitors of a tunnel server to the running stack: TUNNEL_HOST=https://…
	@docker/tunnel.sh

lint: ## Check style, types, shell, Dockerfile and each server's configuration
	$(call prepare,$(PROFILES))
	@tests/lint.sh $(PROFILES)

lock: ## Compile requirements/ anew from pyproject.toml
	@requirements/lock.sh

secrets: ## Make the secrets that are missing
	@docker/engine.sh && docker/base-image.sh && docker/secrets.sh

clean: ## Remove the stack and its data, after asking
	@docker/clean.sh
