"""Runs programs, one after the other, in one process: `python run_programs.py < programs.json`.

Reads a list of texts, and writes a list of what each of them printed, or of its error.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback
import warnings


def printed(program: str) -> str:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        try:
            exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})
        except BaseException:
            traceback.print_exc(file=output)
    return output.getvalue()


if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    json.dump([printed(program) for program in json.load(sys.stdin)], sys.stdout)
