"""The tests' own certificate authority, and the certificates that it signs."""

import datetime as dt
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)


class Authority:
    """`ca` is the path of its certificate; the certificates that it signs are beside it."""

    def __init__(self, folder):
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("the tests' authority")
        self.ca = f"{folder}/ca.pem"
        basic = x509.BasicConstraints(ca=True, path_length=None)
        self._write(self.ca, self._signed(self._name, self._key, [(basic, True)]))

    def sign(self, name, *addresses):
        """Return the paths of a certificate for these addresses, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        ips = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        more = [(x509.SubjectAlternativeName(ips), False)] if ips else []
        paths = f"{self._folder}/{name}.pem", f"{self._folder}/{name}.key"
        self._write(paths[0], self._signed(_name(name), key, more))
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with open(paths[1], "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(text)
        return paths

    def _signed(self, name, key, extensions):
        now = dt.datetime.now(dt.UTC)
        builder = x509.CertificateBuilder(self._name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - DAY).not_valid_after(now + DAY)
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, is_critical)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, path, certificate):
        with open(path, "wb") as file:
            file.write(certificate.public_bytes(serialization.Encoding.PEM))


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
