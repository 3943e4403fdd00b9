#!/usr/bin/env python3
"""Downloads the corpus: the Python files of pinned wheels from PyPI.

`packages.txt` says which packages, `packages.lock` which files, with their
SHA-256. Only pip talks to the registry, so its configuration (index, proxy,
certificates) applies. A wheel is checked against the lock before it is opened,
unpacked into a folder beside its final place and renamed, so a folder that
exists is complete; a run that was interrupted goes on where it stopped.

Nothing that was downloaded is ever installed or executed.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGES = HERE / "packages.txt"
LOCK = HERE / "packages.lock"
SUFFIXES = {".py", ".pyi", ".ipynb"}

# The same wheel has to be chosen on every machine, so the target is fixed
# instead of taken from the interpreter that happens to run this script.
# Older versions are tried for packages that have no newer wheel.
PYTHON_VERSIONS = ["3.13", "3.12", "3.11", "3.10"]
PLATFORMS = [
    "manylinux_2_35_x86_64",
    "manylinux_2_34_x86_64",
    "manylinux_2_31_x86_64",
    "manylinux_2_28_x86_64",
    "manylinux_2_27_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux_2_12_x86_64",
    "manylinux_2_5_x86_64",
    "manylinux2014_x86_64",
    "manylinux2010_x86_64",
    "manylinux1_x86_64",
]


class Failure(Exception):
    """Something the person who runs this can read and act on."""


class Locked(NamedTuple):
    """One line of the lock."""

    wheel: str
    sha256: str


def normalised(name: str) -> str:
    """The name as the registry compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def folder_of(wheel: str) -> str:
    """`nats_py-2.16.0-py3-none-any.whl` is kept in `nats_py-2.16.0`."""
    name, version = wheel.split("-")[:2]
    return f"{name.lower()}-{version}"


def key_of(wheel: str) -> str:
    name, version = wheel.split("-")[:2]
    return f"{normalised(name)}=={version}"


def read_packages() -> list[str]:
    """The pins of packages.txt, as pip understands them."""
    pins = []
    for number, line in enumerate(PACKAGES.read_text().splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line):
            raise Failure(f"{PACKAGES}:{number}: expected `name==version`, found `{line}`")
        pins.append(line)
    return pins


def read_lock() -> dict[str, Locked]:
    """The lock by `name==version`."""
    locked = {}
    if LOCK.exists():
        for number, line in enumerate(LOCK.read_text().splitlines(), 1):
            parts = line.split()
            if len(parts) != 2 or not re.fullmatch(r"[0-9a-f]{64}", parts[0]):
                raise Failure(f"{LOCK}:{number}: expected a SHA-256 and a wheel name")
            locked[key_of(parts[1])] = Locked(parts[1], parts[0])
    return locked


def key_of_pin(pin: str) -> str:
    name, version = pin.split("==")
    return f"{normalised(name)}=={version}"


def pip_download(pin: str, versions: list[str], into: Path) -> Path:
    """Lets pip download the wheel of `pin` and returns its path."""
    errors = ""
    for version in versions:
        digits = version.replace(".", "")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", str(into)]
        command += ["--implementation", "cp", "--python-version", version]
        for abi in (f"cp{digits}", "abi3", "none"):
            command += ["--abi", abi]
        for platform in PLATFORMS:
            command += ["--platform", platform]
        done = subprocess.run([*command, pin], capture_output=True, text=True)
        wheels = list(into.glob("*.whl"))
        if done.returncode == 0 and len(wheels) == 1:
            return wheels[0]
        errors = done.stderr.strip() or done.stdout.strip() or "pip said nothing"
    last = "\n".join(errors.splitlines()[-3:])
    raise Failure(f"{pin}: pip found no wheel: {last}")


def versions_for(wheel: str) -> list[str]:
    """The Python version whose wheel was locked."""
    tag = wheel.removesuffix(".whl").split("-")[-3]
    match = re.fullmatch(r"cp3(\d\d)", tag)
    if match and "abi3" not in wheel:
        return [f"3.{match[1]}"]
    return PYTHON_VERSIONS


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(wheel: Path, into: Path) -> int:
    """Unpacks the Python files of a wheel and returns how many there are."""
    count = 0
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = PurePosixPath(member.filename)
            if member.is_dir() or path.suffix not in SUFFIXES:
                continue
            if path.is_absolute() or ".." in path.parts:
                raise Failure(f"{wheel.name}: refuses to unpack `{member.filename}`")
            target = into.joinpath(*path.parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
            count += 1
    return count


def fetch(pin: str, locked: Locked | None, corpus: Path) -> Locked:
    """Makes sure that one package is in the corpus; returns what was used."""
    if locked is not None and (corpus / folder_of(locked.wheel)).is_dir():
        return locked
    with tempfile.TemporaryDirectory(dir=corpus, prefix=".fetch-") as temporary:
        versions = versions_for(locked.wheel) if locked else PYTHON_VERSIONS
        wheel = pip_download(pin, versions, Path(temporary))
        found = Locked(wheel.name, sha256_of(wheel))
        if locked is not None and found != locked:
            raise Failure(
                f"{pin}: the lock has {locked.wheel} ({locked.sha256}), "
                f"pip brought {found.wheel} ({found.sha256})"
            )
        unpacked = Path(temporary) / "unpacked"
        unpacked.mkdir()
        if unpack(wheel, unpacked) == 0:
            raise Failure(f"{pin}: {wheel.name} has no Python files")
        final = corpus / folder_of(wheel.name)
        if final.exists():
            shutil.rmtree(final)
        unpacked.rename(final)
        print(f"{final.name}", flush=True)
        return found


def fetch_all(pins: list[str], lock: dict[str, Locked], corpus: Path, jobs: int) -> list[Locked]:
    """Fetches in parallel, goes on after failures and reports all of them."""
    corpus.mkdir(parents=True, exist_ok=True)
    for left_over in corpus.glob(".fetch-*"):
        shutil.rmtree(left_over)
    found, failures = [], []
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        pending = [pool.submit(fetch, pin, lock.get(key_of_pin(pin)), corpus) for pin in pins]
        for future in concurrent.futures.as_completed(pending):
            try:
                found.append(future.result())
            except Failure as failure:
                failures.append(str(failure))
    if failures:
        done = f"{len(found)} of {len(pins)} packages are there; run it again to go on"
        raise Failure("\n".join([*sorted(failures), done]))
    return found


def name_stray(found: list[Locked], corpus: Path) -> None:
    """Names folders of packages that are no longer pinned: they would change the counts.

    They are not removed, because the folder is the caller's choice.
    """
    wanted = {folder_of(locked.wheel) for locked in found}
    for entry in sorted(corpus.iterdir()):
        if not entry.name.startswith(".") and entry.name not in wanted:
            print(f"warning: {entry} is not pinned, remove it", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--into", type=Path, default=ROOT / "corpus", help="default: corpus/")
    parser.add_argument("--jobs", type=int, default=4, help="parallel downloads (default: 4)")
    parser.add_argument(
        "--update-lock", action="store_true", help="accept what pip brings and write packages.lock"
    )
    options = parser.parse_args()

    pins = read_packages()
    lock = read_lock()
    missing = [pin for pin in pins if key_of_pin(pin) not in lock]
    if missing and not options.update_lock:
        raise Failure(f"not in packages.lock: {', '.join(missing)}; run with --update-lock")
    found = fetch_all(pins, lock, options.into, options.jobs)
    name_stray(found, options.into)
    if options.update_lock:
        lines = sorted((folder_of(one.wheel), f"{one.sha256}  {one.wheel}\n") for one in found)
        LOCK.write_text("".join(line for _, line in lines))
    print(f"{len(found)} packages in {options.into}")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit("interrupted; run it again to go on")
