"""Virtual environments for the scripts beside this file, with what they need from Python's package index."""

import fcntl
import os
import pathlib
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
TARGET = TARGET if TARGET.is_absolute() else REPOSITORY / TARGET


def environment(name, packages):
    """The folder of the environment of this name under target/, made unless it is there. Others wait meanwhile."""
    try:
        import ensurepip  # noqa: F401  Debian has it in a package of its own
        import venv
    except ImportError:
        sys.exit("Python cannot make virtual environments here: run tools/setup, which installs python3-venv")
    TARGET.mkdir(parents=True, exist_ok=True)
    folder = TARGET / name
    finished = folder / "finished"
    with open(TARGET / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists() or finished.read_text().split() != packages:
            venv.create(folder, clear=True, with_pip=True)
            pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            if subprocess.run([*pip, *packages]).returncode != 0:
                sys.exit(f"{', '.join(packages)} cannot be installed: is Python's package index in reach?")
            finished.write_text("\n".join(packages))
    return folder
