"""An etcd cluster on loopback."""

import json
import urllib.request

from servers import LIMIT, Servers, free_ports, program, wait_for


class Etcd(Servers):
    """`size` members. Their election time is short, because they are so near to each other."""

    def __init__(self, size=1, *more):
        super().__init__()
        self.ports, peers = free_ports(size), free_ports(size)
        names = [f"m{n}" for n in range(size)]
        cluster = ",".join(f"{n}=http://127.0.0.1:{p}" for n, p in zip(names, peers, strict=True))
        for name, port, peer in zip(names, self.ports, peers, strict=True):
            here, there = self.client_url(port, more), f"http://127.0.0.1:{peer}"
            self.add(
                name, program("etcd"), "--name", name, "--data-dir", f"{self.root}/{name}/data",
                "--listen-client-urls", here, "--advertise-client-urls", here, "--listen-peer-urls", there,
                "--initial-advertise-peer-urls", there, "--initial-cluster", cluster, "--initial-cluster-token", self.root,
                "--heartbeat-interval", "50", "--election-timeout", "500", *more,
            ).start()  # fmt: skip
        self.hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        if not more:
            wait_for(self.leader, "a leader")

    def client_url(self, port, more):
        return f"{'https' if '--cert-file' in more else 'http'}://127.0.0.1:{port}"

    def url(self, prefix="cronguard", port=None):
        return f"etcd://{f'127.0.0.1:{port}' if port else self.hosts}/{prefix}"

    def call(self, number, what, asked, limit=LIMIT):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports[number]}/v3/{what}", json.dumps(asked).encode()
        )
        with urllib.request.urlopen(request, timeout=limit) as answer:
            return json.load(answer)

    def leader(self):
        """Return the leader, according to a member that is alive."""
        for number, server in enumerate(self.servers):
            if server.is_alive:
                status = self.call(number, "maintenance/status", {}, 2)
                if status["leader"] == status["header"]["member_id"]:
                    return server
        return None
