"""The settings for a host in ~/.ssh/config."""

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from cronguard.store.ssh.address import Address
from cronguard.store.ssh.hostkeys import known_as
from cronguard.system.errors import ConfigError

if TYPE_CHECKING:
    from paramiko import SSHConfig

_FILE = "~/.ssh/config"
_KNOWN = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_KNOWN_GLOBALLY = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_KEYS = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
_UNSUPPORTED = {  # these must not be ignored: there may be a ProxyJump, or a key that must not be trusted
    "Include": "copy the included settings into that file",
    "RevokedHostKeys": "put the keys into known_hosts, marked @revoked",
}
_MOST_HOPS = 8  # the ProxyJump of a host that names itself, or of two that name each other, never ends


class Host(NamedTuple):
    """A host and how to log in."""

    name: str
    port: int
    user: str
    known_as: str
    keys: tuple[str, ...]  # files; `are_named`: the configuration names them, so a missing one is reported
    are_named: bool
    certificates: tuple[str, ...]
    uses_agent: bool
    known_hosts: tuple[str, ...]


def has_config() -> bool:
    """Return whether there is a configuration file."""
    return os.path.exists(os.path.expanduser(_FILE))


def route(address: Address) -> list[Host]:
    """Return the hosts on the way, the lock host last. Raises ConfigError for unsupported settings."""
    return _route(address, _load(), [])


def plain(address: Address) -> Host:
    """Return the host without any configuration."""
    return _host(address, {})


def _load() -> "SSHConfig | None":
    if not has_config():
        return None
    from paramiko import ConfigParseError, SSHConfig

    try:
        return SSHConfig.from_path(os.path.expanduser(_FILE))
    except (ConfigParseError, OSError, ValueError) as error:
        raise ConfigError(
            f"{_FILE}: {error}", "check it against ssh_config(5), and with ssh -G HOST"
        ) from error


def _route(address: Address, config: "SSHConfig | None", seen: list[str]) -> list[Host]:
    if len(seen) > _MOST_HOPS:
        raise ConfigError(f"{_FILE}: ProxyJump never ends: {', '.join(seen)}", "check with ssh -G HOST")
    options = _options(address, config)
    if options.get("proxycommand"):
        raise ConfigError(
            f"{_FILE}: ProxyCommand, for {address.host}, is not supported: its failure looks the same as one of the host",
            "use ProxyJump, or ProxyCommand none",
        )
    jumps = [jump.strip() for jump in options.get("proxyjump", "none").split(",")]
    host = _host(address, options)
    if jumps == ["none"]:
        return [host]
    first, *others = [Address.of(jump.removeprefix("ssh://"), f"ProxyJump {jump}") for jump in jumps]
    way = _route(first, config, [*seen, address.host])
    return [*way, *(_host(other, _options(other, config)) for other in others), host]


def _options(address: Address, config: "SSHConfig | None") -> dict[str, Any]:
    if config is None:
        return {}
    try:
        options = dict(config.lookup(address.host))
    except Exception as error:  # Match exec needs another library, and can fail in any way
        raise ConfigError(
            f"{_FILE}: {error or type(error).__name__}", "Match exec is not supported"
        ) from error
    for name, hint in _UNSUPPORTED.items():
        if options.get(name.lower(), "none") != "none":
            raise ConfigError(f"{_FILE}: {name}, for {address.host}, is not supported", hint)
    return options


def _host(address: Address, options: dict[str, Any]) -> Host:
    name = options.get("hostname", address.host)
    port = address.port or _port(options)
    named = options.get("identityfile")
    user_files = options.get("userknownhostsfile")
    global_files = options.get("globalknownhostsfile")
    files = [
        *(user_files.split() if user_files else _KNOWN),
        *(global_files.split() if global_files else _KNOWN_GLOBALLY),
    ]
    certificate = options.get("certificatefile")
    return Host(
        name=name,
        port=port,
        user=address.user or options.get("user") or _own_name(),
        known_as=options["hostkeyalias"].lower() if "hostkeyalias" in options else known_as(name, port),
        keys=tuple(map(os.path.expanduser, named or _KEYS)),
        are_named=bool(named),
        certificates=(os.path.expanduser(certificate),) if certificate else (),
        uses_agent=options.get("identitiesonly", "no") != "yes",
        known_hosts=tuple(os.path.expanduser(file) for file in files if file != "none"),
    )


def _port(options: dict[str, Any]) -> int:
    text = str(options.get("port", 22))
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise ConfigError(f"{_FILE}: Port {text} is not a valid port", "check with ssh -G HOST")
    return int(text)


def _own_name() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise ConfigError(
            f"user ID {os.geteuid()} has no user name to log in with", "write ssh://user@host/path"
        ) from None
