"""Virtual environments with packages from PyPI, for the scripts in this folder."""

import fcntl
import os
import pathlib
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
TARGET = TARGET if TARGET.is_absolute() else REPOSITORY / TARGET


def environment(name, packages):
    """Returns the folder of an environment under target/, and creates it if it is missing. Concurrent calls wait."""
    try:
        import ensurepip  # noqa: F401  Debian has it in a separate package
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
                sys.exit(f"{', '.join(packages)} cannot be installed: is PyPI reachable?")
            finished.write_text("\n".join(packages))
    return folder
