"""One server of each kind for a whole test session, started when the first test needs it."""

import atexit
from functools import cache

from etcd_servers import Etcd
from postgres_servers import Postgres
from redis_servers import Redis


@cache
def etcd():
    return _until_the_end(Etcd())


@cache
def postgres():
    return _until_the_end(Postgres())


@cache
def redis():
    return _until_the_end(Redis())


def _until_the_end(servers):
    atexit.register(servers.end)
    return servers
