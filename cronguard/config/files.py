"""Read the configuration files that exist."""

import os
from typing import Any

from cronguard.system.errors import ConfigError

SYSTEM_FILE = "/etc/cronguard/config.toml"
USER_FILE = "~/.config/cronguard/config.toml"


def read_files(config: str | None) -> list[tuple[str, dict[str, Any]]]:
    """Return the path and content of each file: only `config`, or the system's file and then the user's.

    Later files take precedence. Raises ConfigError for a file that cannot be read, or if `config` does not exist.
    """
    if config:
        return [(config, _read_toml(config, is_required=True))]
    paths = [SYSTEM_FILE, os.path.expanduser(USER_FILE)]
    # Without a home directory, the user's file would be one below the current directory.
    return [(path, _read_toml(path, is_required=False)) for path in paths if not path.startswith("~")]


def _read_toml(path: str, is_required: bool) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            import tomllib

            return tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError) as error:
        if is_required:
            raise ConfigError(f"{path} does not exist", "check --config and CRONGUARD_CONFIG") from error
        return {}
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}", "make it readable for every user with guarded lines"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}", "write TOML, with lines such as: ttl = 300") from error
