"""The linter `asyncbis-lint` as a Python package; `python -m asyncbis_lint` starts it."""
