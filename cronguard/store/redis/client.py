"""A connection to the Redis that a URL names, or to the one that its Sentinels report as the master."""

from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

from cronguard.store.shared.address import Address
from cronguard.store.shared.insisting import UnansweredError
from cronguard.system.errors import ConfigError, StoreForbiddenError

_TLS = {"ca_certs": "ca", "certfile": "cert", "keyfile": "key"}


def connect(address: Address, patience: float) -> Redis:
    """Return a client that waits up to `patience` seconds for each answer and repeats nothing.

    Raises UnansweredError if no Sentinel reports a master, StoreForbiddenError if the Sentinels require another
    password, and the library's errors.
    """
    host, port = _master(address, patience)
    how = _how(address, address.password(), patience)
    user, number = address.user or None, _database(address)
    return Redis(host, port, username=user, db=number, single_connection_client=True, **how)


def _master(address: Address, patience: float) -> tuple[str, int]:
    if "+sentinel" not in address.scheme:
        return address.hosts[0]
    has_own = "sentinel_password_file" in address.options
    password = address.password("sentinel_password_file") if has_own else None
    how = _how(address, password, patience / len(address.hosts))
    service = address.path.partition("/")[0]
    try:
        master: tuple[str, int] = Sentinel(address.hosts, sentinel_kwargs=how).discover_master(service)
    except MasterNotFoundError as error:  # redis 6.4 and 7.1 show the password in this error
        if "AuthenticationError" in str(error):
            raise StoreForbiddenError(
                f"Redis at {address.where}: the Sentinels require a password, or a different one",
                "check ?sentinel_password_file= in the URL",
            ) from None
        raise UnansweredError(f"no Sentinel there reports a master for {service!r}") from None
    return master


def _how(address: Address, password: str | None, patience: float) -> dict[str, Any]:
    """Return the connection settings.

    The library must not repeat anything: only the backend knows what may already have been done.
    """
    how: dict[str, Any] = {
        "password": password,
        "socket_timeout": patience,
        "socket_connect_timeout": patience,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    if address.scheme.startswith("rediss"):
        how |= {"ssl": True, "ssl_cert_reqs": "required", "ssl_check_hostname": True}
        how |= {
            f"ssl_{name}": address.options[said] for name, said in _TLS.items() if said in address.options
        }
    return how


def _database(address: Address) -> int:
    parts = address.path.split("/")
    number = (parts[1:] or [""])[0] if "+sentinel" in address.scheme else parts[0]
    if number and not (number.isascii() and number.isdecimal()):
        raise ConfigError(f"backend: {number!r} is not a database number")
    return int(number or 0)
