"""How each probe checks: a process, an address of this node, a port, a host. Runs in a child, which may be killed."""

import os
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from cronguard.system.errors import UsageError

_ECHO = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}  # the types of request and reply


class Answer(NamedTuple):
    """Whether the target is there (None: this node could not find out), and a detail for a person."""

    is_good: bool | None
    detail: str = ""


def _pidfile(path: str) -> Answer:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(64).split()
    except OSError as error:
        return Answer(False, f"{path}: {error.strerror}")
    if not text or not text[0].isdecimal():
        return Answer(False, f"{path} holds no process ID")
    is_there = os.path.exists(f"/proc/{text[0]}") and not _is_zombie(text[0])
    return Answer(is_there, "" if is_there else f"process {text[0]} from {path} is gone")


def _process(name: str) -> Answer:
    for number in os.listdir("/proc"):
        if number.isdecimal() and name in _names(number) and not _is_zombie(number):
            return Answer(True)
    return Answer(False, f"no process is called {name}")


def _names(number: str) -> set[str]:
    """Return the names of a process: the kernel's, and the base names of the first two words of its command line."""
    with suppress(OSError):
        with open(f"/proc/{number}/comm", encoding="utf-8", errors="replace") as file:
            names = {file.read().rstrip("\n")}
        with open(f"/proc/{number}/cmdline", encoding="utf-8", errors="replace") as file:
            return names | {os.path.basename(word) for word in file.read().split("\0")[:2] if word}
    return set()


def _is_zombie(number: str) -> bool:
    with suppress(OSError, IndexError), open(f"/proc/{number}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    return True


def _address(address: str) -> Answer:
    """Return whether this node owns an address: by default, a socket can be bound to no other address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            socket.inet_pton(family, address)
        except OSError:
            return Answer(None, f"{address!r} is not an IP address")
        try:
            sock.bind((address, 0))
        except OSError as error:
            return Answer(False, f"{address}: {error.strerror}")
    if _binds_any(family) and socket.inet_pton(family, address) not in _own_addresses(family):
        return Answer(False, f"{address}: this node does not have it")
    return Answer(True)


def _binds_any(family: int) -> bool:
    """Return whether the kernel allows binding to addresses of other nodes, as fail-over set-ups configure it."""
    version = "ipv6" if family == socket.AF_INET6 else "ipv4"
    with suppress(OSError), open(f"/proc/sys/net/{version}/ip_nonlocal_bind", encoding="ascii") as file:
        return file.read().strip() != "0"
    return False


def _own_addresses(family: int) -> set[bytes]:
    if family == socket.AF_INET6:
        with open("/proc/net/if_inet6", encoding="ascii") as file:
            return {bytes.fromhex(line[:32]) for line in file}
    found, leaf = set(), ""
    with open("/proc/net/fib_trie", encoding="ascii") as file:
        for words in map(str.split, file):
            if words[0] == "|--":
                leaf = words[1]
            elif words == ["/32", "host", "LOCAL"]:
                found.add(socket.inet_pton(socket.AF_INET, leaf))
    return found


def _tcp(rest: str) -> Answer:
    """Connect. If an answer is expected (the text after a blank), the first bytes received must start with it."""
    host, port, expected = host_and_port("tcp", rest)
    try:
        sock = socket.create_connection((host, port))  # at the first of its addresses that accepts
    except socket.gaierror as error:
        return Answer(None, f"{host}: {error.strerror}")
    with sock:
        got = b""
        while (
            expected and len(got) < len(expected) and expected.startswith(got) and (more := sock.recv(4096))
        ):
            got += more
    is_right = got.startswith(expected)
    return Answer(is_right, "" if is_right else f"it answers {got[:40]!r}, not {expected!r}")


def host_and_port(name: str, rest: str) -> tuple[str, int, bytes]:
    """Parse HOST:PORT, and the expected answer after a blank; raises UsageError."""
    where, _, expected = rest.strip().partition(" ")
    host, colon, port = where.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"{name}: {where!r} is not HOST:PORT", "write tcp:web2:443, or tcp:web2:25 220")
    return host, int(port), expected.encode()


def _ping(host: str) -> Answer:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, None)[0]
    except socket.gaierror as error:
        return Answer(None, f"{host}: {error.strerror}")
    try:
        sock, is_raw = echo_socket(family)
    except PermissionError:
        return Answer(None, "this user may not ping")
    kind, reply = _ECHO[family]
    mark = os.urandom(16)
    packet = struct.pack("!BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, 1) + mark
    with sock:
        sock.sendto(packet[:2] + _checksum(packet) + packet[4:], address)
        while True:  # until the reply comes, or this process is killed
            data = sock.recv(2048)
            header = (data[0] & 15) * 4 if is_raw and family == socket.AF_INET else 0
            if data[header : header + 1] == bytes([reply]) and data.endswith(mark):
                return Answer(True)


def echo_socket(family: int) -> tuple[socket.socket, bool]:
    """Return a socket for echo requests, and whether it is raw: a raw one needs more rights than ping_group_range gives."""
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    try:
        return socket.socket(family, socket.SOCK_DGRAM, protocol), False
    except PermissionError:
        return socket.socket(family, socket.SOCK_RAW, protocol), True


def _checksum(packet: bytes) -> bytes:
    total = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    total = (total >> 16) + (total & 0xFFFF)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)


# Probes that run a program are not here: they are handled as commands.
HANDLERS: Mapping[str, Callable[[str], Answer]] = {
    "pidfile": _pidfile,
    "process": _process,
    "address": _address,
    "tcp": _tcp,
    "ping": _ping,
}
