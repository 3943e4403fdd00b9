"""Imports every module below some folders and prints, as JSON, what each raised: `PATH... FOLDER`.

Each module is imported in the same process, as a program would; a module that ends the process, or
a `__main__`, is none that can be imported.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path


def modules(top: Path, folder: str) -> Iterator[str]:
    """The dotted names of the modules of the package `folder`, below `top`."""
    if (top / f"{folder}.py").exists():
        yield folder
    for path in sorted((top / folder).rglob("*.py")):
        parts = path.relative_to(top).with_suffix("").parts
        if parts[-1] == "__main__" or not all(part.isidentifier() for part in parts):
            continue
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def main() -> None:
    """Print `{module: None or the error}`."""
    top = Path(sys.argv[1])
    sys.path.insert(0, str(top))
    results: dict[str, str | None] = {}
    for folder in sys.argv[2:]:
        for name in modules(top, folder):
            with contextlib.redirect_stdout(io.StringIO()):
                try:
                    importlib.import_module(name)
                    results[name] = None
                except BaseException as error:
                    results[name] = f"{type(error).__name__}: {error}"
    print(json.dumps(results))


main()
