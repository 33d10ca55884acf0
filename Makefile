# Needs make and Python 3.11 or newer. Every target sets up .venv first when that is not done yet;
# it is done again only when pyproject.toml or constraints.txt has changed, or when .venv is broken.

VENV := .venv
STAMP := $(VENV)/.installed
PYTHONS := $(or $(PYTHON),python3 python3.13 python3.12 python3.11)
ARGS ?=

.PHONY: help gameday test check bench setup constraints clean
help:
	@echo "make gameday      a whole game day on the embedded target: load, faults, verdict, report (ARGS=… are passed on)"
	@echo "make test         all tests (ARGS='-k name' chooses)"
	@echo "make check        linter, formatter, types"
	@echo "make bench        our hot paths beside their peers (ARGS=hot-paths or ARGS=client chooses)"
	@echo "make setup        only sets up $(VENV); PYTHON=python3.12 chooses the interpreter"
	@echo "make constraints  renews constraints.txt with the newest versions that fit together"
	@echo "make clean        removes $(VENV), caches and builds; runs/ stays"

gameday: $(STAMP)
	@$(VENV)/bin/gameday run gameday $(ARGS)

test: $(STAMP)
	@$(VENV)/bin/python -m pytest $(ARGS)

check: $(STAMP)
	@status=0; \
	$(VENV)/bin/python -m ruff check || status=1; \
	$(VENV)/bin/python -m ruff format --check || status=1; \
	$(VENV)/bin/python -m mypy || status=1; \
	exit $$status

bench: $(STAMP)
	@$(VENV)/bin/python -m benchmarks.run $(ARGS)

setup: $(STAMP)
	@echo "$(VENV) is ready"

# The stamp holds the folder it was made in: scripts and the editable install name it, so a moved checkout starts anew.
ifneq ($(shell cat $(STAMP) 2>/dev/null && $(VENV)/bin/python -c 'print("runs")' 2>/dev/null),$(CURDIR) runs)
WHOLE := no
$(STAMP): FORCE
endif
FORCE:

$(STAMP): pyproject.toml constraints.txt
	@set -e; \
	if [ "$(WHOLE)" = no ]; then \
	    $(FIND_PYTHON); \
	    echo "Setting up $(VENV) with $$($$python -V); this takes about half a minute …"; \
	    rm -rf $(VENV); \
	    $$python -m venv $(VENV); \
	else \
	    echo "pyproject.toml or constraints.txt has changed: updating $(VENV) …"; \
	    rm -f $(STAMP); \
	fi; \
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --prefer-binary -c constraints.txt -e '.[dev]'; \
	echo "$(CURDIR)" > $(STAMP)

# Sets $python to the first interpreter that is new enough; shims of version managers exist without working, so each is tried.
define FIND_PYTHON
python=; \
for candidate in $(PYTHONS); do \
    if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then python=$$candidate; break; fi; \
done; \
if [ -z "$$python" ]; then \
    echo "Python 3.11 or newer is needed; tried: $(PYTHONS). Name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 2; \
fi; \
if ! $$python -c 'import venv, ensurepip' >/dev/null 2>&1; then \
    echo "$$python has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 2; \
fi
endef

constraints: $(STAMP)
	@set -e; scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	$(VENV)/bin/python -m venv "$$scratch/venv"; \
	"$$scratch/venv/bin/python" -m pip install --quiet --disable-pip-version-check --prefer-binary -e '.[dev]'; \
	{ grep '^#' constraints.txt; "$$scratch/venv/bin/python" -m pip freeze --exclude-editable; } > "$$scratch/new"; \
	cp "$$scratch/new" constraints.txt; git --no-pager diff --stat constraints.txt

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './runs/*' -prune -exec rm -rf {} +
