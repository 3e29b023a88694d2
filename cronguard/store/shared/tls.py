"""TLS as the options of a URL want it."""

import ssl

from cronguard.store.shared.address import Address
from cronguard.system.errors import ConfigError


def tls_context(address: Address) -> ssl.SSLContext:
    """Return a context that verifies the server, and shows our certificate if there is one.

    Raises ConfigError for certificates that cannot be used.
    """
    options = address.options
    try:
        context = ssl.create_default_context(cafile=options.get("ca"))
        if "cert" in options:
            context.load_cert_chain(options["cert"], options.get("key"), password="")
    except OSError as error:
        files = ", ".join(options[name] for name in ("ca", "cert", "key") if name in options)
        raise ConfigError(
            f"backend: {files}: {error.strerror or error}",
            "ca, cert and key name PEM files; the key has no passphrase",
        ) from error
    return context
