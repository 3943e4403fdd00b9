"""`python -m asyncbis_lint`: starts the binary that was installed with this package."""

from __future__ import annotations

import os
import sys
import sysconfig


def binary() -> str:
    """The path of the binary: pip puts it where it puts scripts.

    Raises FileNotFoundError where it is in none of the places that pip has for scripts.
    """
    name = "asyncbis-lint" + (sysconfig.get_config_var("EXE") or "")
    folders = [sysconfig.get_path("scripts")]
    # `pip install --user`
    user = "nt_user" if os.name == "nt" else "posix_user"
    if user in sysconfig.get_scheme_names():
        folders.append(sysconfig.get_path("scripts", scheme=user))
    # `pip install --target FOLDER`
    folders.append(os.path.join(os.path.dirname(os.path.dirname(__file__)), "bin"))
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return path
    raise FileNotFoundError(f"{name} is in none of {', '.join(folders)}")


def main() -> None:
    path = binary()
    if os.name == "nt":
        # There a process that is replaced ends for the one that waits for it.
        import subprocess

        sys.exit(subprocess.run([path, *sys.argv[1:]]).returncode)
    os.execv(path, [path, *sys.argv[1:]])


if __name__ == "__main__":
    main()
