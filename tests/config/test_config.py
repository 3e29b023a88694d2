import contextlib
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cronguard.config import files as config_files
from cronguard.config import sources as config
from cronguard.config.settings import SETTINGS, Settings
from cronguard.config.sources import NOT_INHERITED, load
from cronguard.system.errors import ConfigError, UsageError


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The system's and the user's file, neither of which exists yet."""
    system, user = tmp_path / "etc.toml", tmp_path / "home.toml"
    monkeypatch.setattr(config_files, "SYSTEM_FILE", str(system))
    monkeypatch.setattr(config_files, "USER_FILE", str(user))
    return system, user


def test_without_any_source_the_defaults_apply(files):
    found = load({}, None, {})
    assert found == Settings(node=os.uname().nodename)
    assert (found.ttl, found.retry, found.skip_status, found.max_clock_skew) == (180, "crashed", 75, 300)


@pytest.mark.parametrize("given_by", [["system"], ["system", "user"], ["system", "user", "variable"],
    ["system", "user", "variable", "option"], ["variable", "system"], ["option", "user"]])  # fmt: skip
def test_the_source_with_the_higher_precedence_wins(files, given_by):
    system, user = files
    ttls = {"system": 101, "user": 102, "variable": 103, "option": 104}
    if "system" in given_by:
        system.write_text("ttl = 101\nns = 'of-system'\n")
    if "user" in given_by:
        user.write_text("ttl = 102\n")
    env = {"CRONGUARD_TTL": "103"} if "variable" in given_by else {}
    found = load({"ttl": "104"} if "option" in given_by else {"ttl": None}, None, env)
    assert found.ttl == max(ttls[source] for source in given_by)
    assert found.ns == ("of-system" if "system" in given_by else "default")


def test_a_file_given_by_name_is_read_instead_of_the_others(files, tmp_path):
    files[0].write_text("ttl = 101\n")
    files[1].write_text("retry = 'never'\n")
    own = tmp_path / "own.toml"
    own.write_text("ns = 'own'\n")
    for found in (load({}, str(own), {}), load({}, None, {"CRONGUARD_CONFIG": str(own)})):
        assert (found.ns, found.ttl, found.retry) == ("own", 180, "crashed")


def test_the_file_in_the_option_wins_over_the_one_in_the_variable(files, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text("ns = 'own'\n")
    assert load({}, str(own), {"CRONGUARD_CONFIG": "/not/there"}).ns == "own"


@pytest.mark.parametrize("by", ["option", "variable"])
def test_a_file_given_by_name_must_exist(files, tmp_path, by):
    path = str(tmp_path / "none.toml")
    with pytest.raises(ConfigError) as refusal:
        load({}, path if by == "option" else None, {"CRONGUARD_CONFIG": path} if by == "variable" else {})
    assert str(refusal.value) == f"{path} does not exist"
    assert refusal.value.status == 78


def test_an_unknown_key_is_reported_with_its_file_and_a_similar_key(files):
    files[0].write_text("tll = 300\n")
    with pytest.raises(ConfigError) as refusal:
        load({}, None, {})
    assert str(refusal.value) == f"{files[0]}: unknown key 'tll'"
    assert refusal.value.hint == "did you mean ttl?"


def test_a_key_spelled_like_its_option_is_recognised(files):
    files[0].write_text("kill-after = 3\n")
    with pytest.raises(ConfigError) as refusal:
        load({}, None, {})
    assert refusal.value.hint == "did you mean kill_after?"


def test_a_value_in_place_of_a_table_is_refused_with_a_hint(files):
    files[0].write_text("heartbeat = 5\n")
    with pytest.raises(ConfigError) as refusal:
        load({}, None, {})
    assert str(refusal.value) == f"{files[0]}: heartbeat must be a table, not 5"
    assert refusal.value.hint == "write [heartbeat], and its keys below"


def test_the_hint_for_an_unknown_key_without_a_similar_one_lists_all_keys(files):
    files[0].write_text("zzzzzz = 1\n")
    with pytest.raises(ConfigError) as refusal:
        load({}, None, {})
    assert "backend_timeout" in refusal.value.hint


def test_a_file_that_is_not_toml_is_reported_with_the_line(files):
    files[1].write_text("ns = 'a'\nttl: 300\n")
    with pytest.raises(ConfigError, match="line 2") as refusal:
        load({}, None, {})
    assert str(refusal.value).startswith(f"{files[1]}: ")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"ns = '\xe9'", b"x = " + b"[" * 5000])
def test_a_file_that_is_not_text_is_an_error_that_names_the_file(files, content):
    files[0].write_bytes(content)
    with pytest.raises(ConfigError, match=r"etc\.toml"):
        load({}, None, {})


def test_a_file_that_cannot_be_read_is_reported_with_the_reason(files):
    files[0].mkdir()
    with pytest.raises(ConfigError) as refusal:
        load({}, None, {})
    assert str(refusal.value) == f"{files[0]}: Is a directory"


def test_a_home_that_is_not_a_directory_is_ignored(files, monkeypatch):
    monkeypatch.setattr(config_files, "USER_FILE", "/dev/null/.config/cronguard/config.toml")
    assert load({}, None, {}).ttl == 180


BAD = {
    "ns": ["", "..", "a/b", "-x"],
    "name": ["a b"],
    "node": ["web 1", "../etc"],
    "backend": [""],
    "ttl": ["-1", "5x", "367d", "1e9", ""],
    "wait": ["-0"],
    "timeout": ["0", "367d"],
    "kill_after": ["soon"],
    "daemons": ["keep"],
    "strategy": ["fastest"],
    "nodes": ["a,,b", "a,a", "a,b c"],
    "every_run": ["maybe"],
    "retry": ["always"],
    "skip_status": ["256", "-1", "x", "7.0", "²"],
    "if_unavailable": ["hope"],
    "backend_timeout": ["0", "2h"],
    "max_clock_skew": ["0.5", "2d", "never"],
    "log": ["mail"],
    "log_format": ["xml"],
    "verbose": ["2"],
}
ALL_BAD = [(key, value) for key, values in BAD.items() for value in values]


@pytest.mark.parametrize(("key", "value"), ALL_BAD)
def test_a_bad_option_is_a_usage_error_that_names_it(files, key, value):
    with pytest.raises(UsageError) as refusal:
        load({key: value}, None, {})
    option = "-E" if key == "skip_status" else f"--{key.replace('_', '-')}"
    assert str(refusal.value).startswith(f"{option}: ")
    assert refusal.value.status == 64


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, value in ALL_BAD if value])
def test_a_bad_variable_is_a_configuration_error_that_names_it(files, key, value):
    with pytest.raises(ConfigError, match=f"^CRONGUARD_{key.upper()}: ") as refusal:
        load({}, None, {f"CRONGUARD_{key.upper()}": value})
    assert refusal.value.status == 78


@pytest.mark.parametrize(("key", "value"), ALL_BAD)
def test_a_bad_value_in_a_file_is_a_configuration_error_that_names_file_and_key(files, key, value):
    files[0].write_text(f'{key} = "{value}"\n')
    with pytest.raises(ConfigError) as refusal:
        load({}, None, {})
    assert str(refusal.value).startswith(f"{files[0]}: {key}: ")
    assert refusal.value.status == 78


@pytest.mark.parametrize("key", SETTINGS)
@pytest.mark.parametrize("value", ["{}", "[[]]", "[1]", "2026-11-22", "-5", "nan", "-inf", "1.5e300"])
def test_a_value_of_the_wrong_type_is_a_configuration_error(files, key, value):
    files[0].write_text(f"{key} = {value}\n")
    with pytest.raises(ConfigError, match=rf"etc\.toml: {key}: "):
        load({}, None, {})


@given(st.sampled_from(sorted(SETTINGS)), st.text())
def test_any_text_for_any_setting_is_accepted_or_a_usage_error(key, value):
    try:
        SETTINGS[key].read(value, "--x")
    except UsageError as refusal:
        told = str(refusal)
    else:
        told = "--x: "
    assert told.startswith("--x: ")


VALUES = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=8).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from(["true", "false", "[]", "{}", '["a"]', "[[1]]", "1e400", "0x10", "2026-01-01"]),
)
LINES = st.tuples(st.sampled_from(sorted(SETTINGS)), VALUES).map(" = ".join)


@given(st.one_of(st.binary(), st.lists(LINES, max_size=3).map("\n".join).map(str.encode)))
def test_any_bytes_in_a_file_are_settings_or_a_configuration_error(tmp_path_factory, data):
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_bytes(data)
    with contextlib.suppress(ConfigError):
        assert isinstance(load({}, str(file), {}), Settings)


def test_a_file_may_contain_numbers_lists_and_booleans(files):
    files[0].write_text(
        "ttl = 60\nwait = 1.5\nnodes = ['a', 'b']\nevery_run = true\nskip_status = 0\nmax_clock_skew = false\n"
    )
    found = load({}, None, {})
    assert (found.ttl, found.wait, found.nodes, found.every_run) == (60, 1.5, ("a", "b"), True)
    assert (found.skip_status, found.max_clock_skew) == (0, None)


def test_an_empty_variable_is_ignored(files):
    assert load({}, None, {"CRONGUARD_TTL": "", "CRONGUARD_NS": ""}).ns == "default"


def test_the_hint_for_an_unusable_host_name_asks_for_a_node_name(files, monkeypatch):
    monkeypatch.setattr(
        config, "check_name", lambda text, what: (_ for _ in ()).throw(UsageError("host name: '-'"))
    )
    with pytest.raises(ConfigError) as refusal:
        load({}, None, {})
    assert "CRONGUARD_NODE" in refusal.value.hint


def test_a_nested_cronguard_inherits_only_the_node_and_its_state_directory():
    settings = {f"CRONGUARD_{key.upper()}" for key in SETTINGS}
    assert settings - NOT_INHERITED == {"CRONGUARD_NODE", "CRONGUARD_STATE_DIR"}
    assert {
        "CRONGUARD_NAME",
        "CRONGUARD_NS",
        "CRONGUARD_TICK",
        "CRONGUARD_EVERY_RUN",
        "CRONGUARD_WAIT",
    } <= NOT_INHERITED


def test_the_variables_that_the_job_gets_are_not_settings():
    told = {"CRONGUARD_RUN", "CRONGUARD_TOKEN", "CRONGUARD_JOB", "CRONGUARD_RUN_TICK"}
    assert not told & {f"CRONGUARD_{key.upper()}" for key in SETTINGS}


WITH_A_DEFAULT = [key for key, setting in SETTINGS.items() if "(default: " in setting.help]
# Their defaults depend on other settings, the machine or the time.
IN_WORDS = {"kill_after", "index", "timezone", "tick"}


@pytest.mark.parametrize("key", sorted({*WITH_A_DEFAULT} - IN_WORDS))
def test_the_default_in_the_help_of_an_option_is_its_real_default(key):
    setting = SETTINGS[key]
    named = setting.help.partition("(default: ")[2].rstrip(").")
    assert setting.read(named, key) == Settings._field_defaults[key]


@pytest.mark.parametrize(
    ("key", "value"), [("name", "x"), ("tick", "2026-11-22T05:30Z"), ("schedule", "* * * * *")]
)
def test_a_setting_of_a_single_line_is_refused_in_a_file(tmp_path, key, value):
    path = tmp_path / "all.toml"
    path.write_text(f'{key} = "{value}"\n')
    with pytest.raises(ConfigError, match=f"{key} belongs to one crontab line"):
        load({}, str(path), {})


@pytest.mark.parametrize("text", ["[heartbeats]\nrise = 1", "[probe.web2]\nip = 'ping:x'"])
def test_an_unknown_table_is_reported(tmp_path, text):
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ConfigError, match="unknown key"):
        load({}, str(tmp_path / "c.toml"), {})


def test_the_tables_of_the_heartbeat_are_not_checked(tmp_path):
    (tmp_path / "c.toml").write_text("ttl = 60\n[heartbeat]\nnonsense = 1\n[probes.web2]\nip = 'ping:x'\n")
    assert load({}, str(tmp_path / "c.toml"), {}).ttl == 60


def test_nodes_may_be_a_number_for_time_slices(tmp_path):
    (tmp_path / "c.toml").write_text("nodes = 3\n")
    assert load({}, str(tmp_path / "c.toml"), {}).nodes == ("3",)


def test_an_option_with_a_node_outside_the_cluster_is_refused(tmp_path):
    (tmp_path / "c.toml").write_text("nodes = ['a', 'b', 'c']\n")
    assert load({"nodes": "c,a"}, str(tmp_path / "c.toml"), {}).nodes == ("c", "a")
    assert load({"nodes": "2"}, str(tmp_path / "c.toml"), {}).nodes == ("2",)
    with pytest.raises(UsageError, match="bb is not among the configured nodes: a,b,c"):
        load({"nodes": "a,bb"}, str(tmp_path / "c.toml"), {})
