"""TLS settings from the options of a URL."""

import ssl

from cronguard.store.shared.address import Address
from cronguard.system.errors import ConfigError


def tls_context(address: Address) -> ssl.SSLContext:
    """Return a context that verifies the server, and presents our certificate if the URL names one.

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
            "ca, cert and key must name PEM files; the key must have no passphrase",
        ) from error
    return context
