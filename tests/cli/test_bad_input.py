import re

import pytest
from nodes import BOUND_BY_MODES, PLAIN, content, told

from cronguard.store.contract import SCHEMES

SLICE = ("--strategy", "time-slice", "--schedule", "* * * * *")
OPTIONS = [
    (["--ns", ".."], "--ns: '..'"),
    (["--ns", "a/b"], "--ns: 'a/b'"),
    (["--ns", ""], "--ns: must not be empty"),
    (["--name", "../../etc/passwd"], "--name: '../../etc/passwd'"),
    (["--name", "-x"], "--name: '-x'"),
    (["--name", "a b"], "--name: 'a b'"),
    (["--name", "a\nb"], "--name: 'a\\nb'"),
    (["--name", "x" * 101], "--name: 'xxx"),
    (["--ttl", "-5"], "--ttl: '-5'"),
    (["--ttl", "0"], "--ttl: 0 is not between 5s and 7d"),
    (["--ttl", "4s"], "--ttl: 4s"),
    (["--ttl", "8d"], "--ttl: 8d is not between 5s and 7d"),
    (["--ttl", "1e9"], "--ttl: '1e9'"),
    (["--ttl", "999999999d"], "--ttl: '999999999d'"),
    (["--ttl", "nan"], "--ttl: 'nan'"),
    (["--ttl", ""], "--ttl: must not be empty"),
    (["--ttl", "10s", "--kill-after", "10s"], "--kill-after: 10s is too long for a ttl of 10s"),
    (["--kill-after", "-1"], "--kill-after: '-1'"),
    (["--wait", "-1s"], "--wait: '-1s'"),
    (["--wait", "400d"], "--wait: '400d'"),
    (["--timeout", "0"], "--timeout: 0"),
    (["--timeout", "soon"], "--timeout: 'soon'"),
    (["--backend-timeout", "0"], "--backend-timeout: 0"),
    (["--backend-timeout", "2h"], "--backend-timeout: 2h"),
    (["--daemons", "keep"], "--daemons: 'keep'"),
    (["--strategy", "fastest"], "--strategy: 'fastest'"),
    (["--nodes", "a,,b"], "--nodes: must not be empty"),
    (["--nodes", "web1,web1"], "--nodes: web1,web1"),
    (["--nodes", "web7,web8"], "--nodes: this node, 'web1'"),
    (["--strategy", "standby"], "--strategy standby needs the nodes"),
    (["--strategy", "standby", "--nodes", "web2,web3"], "--nodes: this node, 'web1'"),
    (["--strategy", "time-slice", "--nodes", "2", "--index", "0"], "--strategy time-slice needs --schedule"),
    (["--strategy", "time-slice", "--schedule", "* * * * *"], "--strategy time-slice needs --nodes"),
    ([*SLICE, "--nodes", "2"], "--strategy time-slice needs --index"),
    ([*SLICE, "--nodes", "2", "--index", "2"], "--index: 2 is not less than the number of nodes, 2"),
    ([*SLICE, "--nodes", "2", "--index", "-1"], "--index: '-1'"),
    ([*SLICE, "--nodes", "0", "--index", "0"], "--nodes: 0 is not between 1 and 1000"),
    ([*SLICE, "--nodes", "web2,web1", "--index", "0"], "--index: 0 is not the position of web1"),
    (["--head-start", "0"], "--head-start: 0"),
    (["--head-start", "2h"], "--head-start: 2h"),
    (["--failback-after", "soon"], "--failback-after: 'soon'"),
    (["--fair"], "--fair needs --wait"),
    (["--retry", "always"], "--retry: 'always'"),
    (["-E", "256"], "-E: '256'"),
    (["-E", "-1"], "-E: '-1'"),
    (["--if-unavailable", "hope"], "--if-unavailable: 'hope'"),
    (["--log", "mail"], "--log: 'mail'"),
    (["--log-format", "xml"], "--log-format: 'xml'"),
    (["--tick", "05:30"], "--tick: '05:30'"),
    (["--tick", "2026-02-30T05:30Z"], "--tick: '2026-02-30T05:30Z'"),
    (["--tick", "9999-01-01T00:00Z"], "--tick: 9999-01-01T00:00Z"),
    (["--schedule", "* * *"], "* * *"),
    (["--schedule", "61 * * * *"], "61"),
    (["--schedule", "* * * * *", "--timezone", "Mars/Olympus"], "Mars/Olympus"),
    (["--no-such-option"], "--no-such-option"),
    (["--ttl"], "--ttl"),
]


@pytest.mark.parametrize(
    ("options", "value"), OPTIONS, ids=lambda x: " ".join(x)[:40] if isinstance(x, list) else ""
)
def test_a_bad_option_is_reported_with_its_value_and_nothing_runs(node, options, value):
    told(node.run(*options), 64, value)
    assert not node.has_run() and content(node.store) == {}


@pytest.mark.parametrize(("argv", "value"), [
    (["run"], "no command"),
    (["run", "--"], "no command"),
    (["run", "--", ""], "no command"),
    (["run", "-c", "true", "true"], "'true'"),
    (["run", "-c", "true", "--", "x"], "'x'"),
    (["rum"], "rum"),
    (["--wait", "5", "run", "true"], "--wait"),
    (["unlock"], "NS/JOB"),
    (["unlock", "../x"], "'..'"),
    (["forget", "a/b/c"], "'b/c'"),
    (["forget", "a", "b"], "b"),
    (["locks", "--ns", "../a", "--backend", "local"], "'../a'"),
    (["locks", "extra"], "extra"),
    (["heartbeat", "--interval", "0"], "--interval: 0 is not between 1s and 1h"),
    (["heartbeat", "--interval", "soon"], "--interval: 'soon'"),
    (["heartbeat", "--backend", "local"], "local backend"),
    (["pause", "--node", "../x"], "'../x'"),
    (["pause", "--node", "web9"], "unknown node web9; known nodes: web1"),
    (["pause", "--for", "soon"], "--for: 'soon'"),
    (["pause", "--for", "0"], "--for: must be longer than 0"),
    (["resume", "--node", ""], "--node: ''"),
    (["resume", "--node", "web9"], "unknown node web9; known nodes: web1"),
    (["queue", "--ns", "../a"], "'../a'"),
    (["nodes", "extra"], "unexpected argument: extra"),
    (["history", "--last", "0"], "--last: 0 is less than 1"),
    (["time-slice", "--nodes", "two"], "--nodes: 'two' is not a whole number"),
    (["time-slice", "--nodes", "0"], "--nodes: 0 is not between 1 and 1000"),
])  # fmt: skip
def test_a_senseless_command_line_is_reported_with_what_is_wrong(node, argv, value):
    told(node.call(*argv, env={"CRONGUARD_BACKEND": f"dir:{node.store}"}), 64, value)


@pytest.mark.parametrize("url", [
    "consul://h/x", "x", "dir", "dir:", "dir:x", "dir:./x", "dir:/a/../b", "dir:../x", "dir:/..", "DIR:/x", "local:", "local:/x",
    "file:x", "file:/a/..", "/srv/x", "http://h", "dir:~/x", "dir:/a\nb/..",
])  # fmt: skip
def test_an_invalid_backend_is_reported_with_its_url(node, url):
    told(node.run(f"--backend={url}", "--if-unavailable", "run"), 78, repr(url))
    assert not node.has_run()


def test_for_an_unknown_kind_of_backend_the_hint_names_all_kinds(node):
    hint = node.run("--backend=consul://h/x").stderr.splitlines()[1]
    named = set(re.findall(r"(local|\w+(?=:/))", hint))
    assert {SCHEMES[scheme] for scheme in named} == set(SCHEMES.values())


@pytest.mark.parametrize(("argv", "hint"), [
    ("simulate --fail", "see cronguard simulate --help"),
    ("crontab wrap --ns", "see cronguard crontab wrap --help"),
    ("locks --wach", "did you mean --watch? see cronguard locks --help"),
])  # fmt: skip
def test_the_hint_names_the_command_whose_options_are_wrong(node, argv, hint):
    done = node.call(*argv.split())
    told(done, 64)
    assert done.stderr.splitlines()[1] == f"hint: {hint}"


@pytest.mark.parametrize("group", ["", "crontab"])
def test_the_list_of_commands_does_not_truncate_their_summaries(node, group):
    shown = node.call(*group.split(), "--help", env={"COLUMNS": "70"}).stdout
    assert "..." not in shown.partition("Commands:")[2]


@pytest.mark.parametrize(
    "argv", [["locks"], ["unlock", "a/b"], ["forget", "a/b"], ["run", "--dry-run", "--", "true"]]
)
def test_every_command_refuses_an_invalid_backend(node, argv):
    told(node.call(*argv, env={"CRONGUARD_BACKEND": "etcd:/x"}), 78, "'etcd:/x'")


CONFIGS = [
    ("tll = 300", "unknown key 'tll'"),
    ("[run]\nttl = 300", "unknown key 'run'"),
    ("ttl: 300", "line 1"),
    ("ttl = -5", "ttl: '-5'"),
    ("ttl = true", "ttl: True"),
    ("ttl = '5x'", "ttl: '5x'"),
    ("ns = '../x'", "ns: '../x'"),
    ("node = 'a b'", "node: 'a b'"),
    ("skip_status = 300", "skip_status: 300"),
    ("retry = ['never']", "retry: ['never']"),
    ("log = {}", "log: {}"),
    ("x = \x00", "line 1"),
]


@pytest.mark.parametrize(("text", "value"), CONFIGS)
@pytest.mark.parametrize("given", ["option", "variable", "home"])
def test_a_bad_configuration_is_reported_with_its_file_and_what_is_wrong(node, text, value, given):
    path = node.home / (".config/cronguard/config.toml" if given == "home" else "own.toml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    del node.env["CRONGUARD_NODE"]
    options = ["--config", str(path)] if given == "option" else []
    env = {"CRONGUARD_CONFIG": str(path)} if given == "variable" else {}
    told(node.run(*options, env=env), 78, path, value)
    assert not node.has_run()


@pytest.mark.parametrize("content_", [b"\xff\xfe\x00", b"ns = '\xe9'"])
def test_a_configuration_that_is_not_text_is_reported(node, content_):
    path = node.home / "own.toml"
    path.write_bytes(content_)
    told(node.run("--config", str(path)), 78, path)


def test_a_missing_configuration_is_reported(node):
    told(node.run("--config", str(node.home / "none.toml")), 78, node.home / "none.toml")


def test_a_configuration_that_is_a_directory_is_reported(node):
    told(node.run("--config", str(node.home)), 78, node.home)


def test_an_unreadable_configuration_is_reported(node):
    path = node.home / "own.toml"
    path.write_text("ttl = 300\n")
    path.chmod(0)
    told(node.run("--config", str(path), how=(*BOUND_BY_MODES, *PLAIN)), 78, path)
    assert not node.has_run()


@pytest.mark.parametrize(("variable", "value"), [
    ("TTL", "-5"), ("NS", "../x"), ("NODE", "a b"), ("SKIP_STATUS", "x"), ("EVERY_RUN", "maybe"), ("MAX_CLOCK_SKEW", "0"),
    ("RETRY", "always"), ("BACKEND_TIMEOUT", "0"),
])  # fmt: skip
def test_a_bad_variable_is_reported_with_its_name(node, variable, value):
    told(node.run(env={f"CRONGUARD_{variable}": value}), 78, f"CRONGUARD_{variable}: ", value)
    assert not node.has_run()


def test_a_relative_state_directory_is_the_same_for_all_commands(node):
    node.env["CRONGUARD_STATE_DIR"] = "state"
    done = node.run("--backend=local", "--name", "x", cwd=node.home)
    assert (done.returncode, done.stderr) == (0, "") or done.returncode == 78
    if done.returncode == 0:
        assert "default/x" in node.call("locks", "--all", "--backend", "local", cwd=node.home).stdout


# Programs that do not exist


@pytest.mark.parametrize("command", ["no-such-program", "/no/such/program", "./no-such", "a\nb"])
def test_a_missing_program_is_reported_and_leaves_the_tick_to_another_node(node, other, command):
    job = ("--name", "j", "--tick", "2026-01-01T00:00Z")
    told(node.run(*job, command=[command]), 127, repr(command))
    assert content(node.store) == {}
    assert other.run(*job).returncode == 0 and other.has_run()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_program_that_cannot_be_executed_is_reported_and_leaves_the_tick(node, kind):
    program = node.home / "program"
    program.mkdir() if kind == "folder" else program.write_text("x")
    told(node.run(command=[str(program)]), 126, program)
    assert content(node.store) == {}


def test_a_program_is_searched_in_the_path_that_cron_gave(node):
    told(node.run(command=["touch"], env={"PATH": "/no/such"}), 127, "'touch'", "PATH=/no/such")


@pytest.mark.parametrize("line", ["no-such-program", "exec no-such-program"])
def test_a_program_missing_in_a_shell_line_is_reported_by_the_shell(node, line):
    done = node.call("run", "--backend", f"dir:{node.store}", "-c", line, env={"PATH": "/usr/bin:/bin"})
    assert done.returncode == 127 and "cronguard" not in done.stderr
