"""How a backend's URL may be written and shown: messages that contain it go to cron's mail and to syslog."""

from cronguard.system.errors import BackendError, ConfigError

PATHS = ("dir:", "file:")  # followed by a path, with nothing to hide


def refuse_password(url: str) -> None:
    """Raise ConfigError if the URL contains a password. The error does not show it: cron's mail and syslog keep it."""
    scheme, _, rest = url.partition("://")
    query = rest.partition("?")[2]
    if _has_password(rest) or (query and _names_password(query)):
        file_or_variable = "put it in a file (see BACKENDS in the manual) or in CRONGUARD_BACKEND_PASSWORD"
        way = "use a key: ssh-keygen, ssh-copy-id" if scheme == "ssh" else file_or_variable
        raise ConfigError(
            "backend: the URL contains a password, where every user of this node could see it",
            f"{way}; then change the password, because it was exposed",
        )


def _has_password(rest: str) -> bool:
    """Return whether a password precedes the host, even one with a slash, which looks like a port and a path."""
    place, _, path = rest.replace("?", "/", 1).partition("/")
    if "@" in place:
        return ":" in place.rpartition("@")[0]
    ports = (host.rpartition("]")[2].partition(":")[2] for host in place.split(","))
    return "@" in path and any(port and not port.isdigit() for port in ports)


def _names_password(query: str) -> bool:
    from urllib.parse import parse_qsl

    names = {name.lower() for name, _ in parse_qsl(query, keep_blank_values=True)}
    return bool(names & {"password", "pass", "passwd", "sslpassword"})


def without_secrets(url: str) -> str:
    """Return the URL as it may be shown. Nobody should put a password into it, but somebody will."""
    if url.startswith(PATHS):
        return url
    is_whole = "://" in url
    scheme, colon, rest = url.partition("://" if is_whole else ":")
    user, at, place = rest.partition("?")[0].rpartition("@")
    # Without slashes, this may be the password.
    shown = user.partition(":")[0] if is_whole else "..." * bool(user)
    return f"{scheme}{colon}{shown}{at}{place}"


def silent(url: str, seconds: float) -> BackendError:
    """Return the error for a store that has not answered for this long."""
    told = f"the backend {without_secrets(url)} has not answered for {seconds:g}s"
    where = "its host can be reached (ping, ssh)" if "://" in url else "its storage hangs (dmesg, df)"
    return BackendError(told, f"check whether {where}, or raise --backend-timeout")
