import pytest

from cronguard.heartbeat.config import load_heartbeat
from cronguard.heartbeat.health import Counting
from cronguard.heartbeat.probes import Probe
from cronguard.system.errors import ConfigError

FULL = """
backend = "dir:/shared"
nodes = ["web1", "web2"]
[heartbeat]
every = "30s"
limit = 3
rise = 1
fall = 4
quorum = 2
[heartbeat.checks]
app = "systemd:app.service"
vip = "address:10.0.0.9"
[probes.web2]
ip = "ping:10.0.0.2"
mail = "tcp:web2:25 220"
"""


@pytest.fixture
def read(tmp_path):
    def read(text, nodes=()):
        (tmp_path / "c.toml").write_text(text)
        return load_heartbeat(str(tmp_path / "c.toml"), nodes, {})

    return read


def test_all_tables_are_read(read):
    found = read(FULL, ("web1", "web2"))
    assert (found.every, found.limit, found.counting) == (30, 3, Counting(1, 4, 2))
    assert found.checks == {
        "app": Probe("heartbeat.checks.app", "systemd", "app.service")._replace(
            name=found.checks["app"].name
        ),
        "vip": found.checks["vip"],
    }
    assert found.probes["web2"]["mail"][1:] == ("tcp", "web2:25 220")


def test_a_file_without_these_tables_means_the_defaults(read):
    found = read('backend = "local"')
    assert (found.every, found.counting, found.checks, found.probes) == (60, Counting(), {}, {})


@pytest.mark.parametrize(("text", "told"), [
    ("[heartbeat]\nrize = 2", "heartbeat: unknown key 'rize'"),
    ("[heartbeat]\nrise = 0", "heartbeat.rise: 0"),
    ("[heartbeat]\nquorum = true", "heartbeat.quorum: True"),
    ("[heartbeat]\nevery = 'soon'", "heartbeat.every: 'soon'"),
    ("[heartbeat]\nlimit = 0", "heartbeat.limit: 0"),
    ("[heartbeat]\nchecks = 'x'", "heartbeat.checks is not a table"),
    ("[heartbeat.checks]\na = 'http://x'", "heartbeat.checks.a: 'http://x' is not a probe"),
    ("[heartbeat.checks]\na = 'ping:web2'", "heartbeat.checks.a: 'ping:web2' is not a probe"),
    ("[heartbeat.checks]\na = 'pidfile:'", "does not say what to check"),
    ("[heartbeat.checks]\na = 1", "heartbeat.checks.a: 1 is not a string"),
    ("[heartbeat.checks]\n'a b' = 'process:x'", "'a b' is not a valid name"),
    ("[probes.web2]\np = 'tcp:web2'", "probes.web2.p: 'web2' is not HOST:PORT"),
    ("[probes.web2]\np = 'tcp:web2:99999'", "is not HOST:PORT"),
    ("[probes.wbe2]\np = 'tcp:web2:99'", "probes: wbe2 is not among the nodes web1,web2"),
    ("[probes]\nweb2 = 'ping:x'", "probes.web2 is not a table"),
])  # fmt: skip
def test_an_error_names_its_place(read, text, told):
    with pytest.raises(ConfigError, match=r"c\.toml") as error:
        read(text, ("web1", "web2"))
    assert told in str(error.value)
