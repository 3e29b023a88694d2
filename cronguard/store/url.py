"""A backend's URL as it may be written and shown: cron mails what is said of it, and syslog keeps it."""

from cronguard.system.errors import BackendError, ConfigError

PATHS = ("dir:", "file:")  # a path follows, and nothing that has to be hidden


def refuse_password(url: str) -> None:
    """Raise ConfigError if there is a password in the URL, without showing it: this goes to cron's mail and to syslog."""
    scheme, _, rest = url.partition("://")
    query = rest.partition("?")[2]
    if _has_password(rest) or (query and _names_password(query)):
        file_or_variable = "put it in a file (see BACKENDS in the manual) or in CRONGUARD_BACKEND_PASSWORD"
        way = "use a key: ssh-keygen, ssh-copy-id" if scheme == "ssh" else file_or_variable
        raise ConfigError(
            "backend: there is a password in the URL, where every user of this node could see it",
            f"{way}; then change it, as it has been shown",
        )


def _has_password(rest: str) -> bool:
    """Return whether a password is before the host; one with a slash in it is, though it looks like a port and a path."""
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
    """Return the URL as it may be shown: nobody should put a password there, and somebody will."""
    if url.startswith(PATHS):
        return url
    is_whole = "://" in url
    scheme, colon, rest = url.partition("://" if is_whole else ":")
    user, at, place = rest.partition("?")[0].rpartition("@")
    shown = (
        user.partition(":")[0] if is_whole else "..." * bool(user)
    )  # without slashes, it may be the password
    return f"{scheme}{colon}{shown}{at}{place}"


def silent(url: str, seconds: float) -> BackendError:
    """Return the error for a store that was asked, and said nothing for so long."""
    told = f"the backend {without_secrets(url)} has not answered for {seconds:g}s"
    where = "its host can be reached (ping, ssh)" if "://" in url else "its storage hangs (dmesg, df)"
    return BackendError(told, f"see whether {where}, or raise --backend-timeout")
