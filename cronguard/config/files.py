"""The configuration files that are there, as TOML has them."""

import os
from typing import Any

from cronguard.system.errors import ConfigError

SYSTEM_FILE = "/etc/cronguard/config.toml"
USER_FILE = "~/.config/cronguard/config.toml"


def read_files(config: str | None) -> list[tuple[str, dict[str, Any]]]:
    """Return each file's path and what it says, the nearer last: `config` alone, or the system's and the user's.

    Raises ConfigError for one that cannot be read, or that was named and is not there.
    """
    files = [(config, True)] if config else [(SYSTEM_FILE, False), (os.path.expanduser(USER_FILE), False)]
    return [(path, _read_toml(path, is_required)) for path, is_required in files]


def _read_toml(path: str, is_required: bool) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            import tomllib

            return tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError) as error:
        if is_required:
            raise ConfigError(f"{path} does not exist", "see --config and CRONGUARD_CONFIG") from error
        return {}
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}", "every user with guarded lines must be able to read it"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}", "it must be TOML, lines like: ttl = 300") from error
