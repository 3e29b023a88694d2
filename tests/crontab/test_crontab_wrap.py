import subprocess

import crontabs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cronguard.crontab.lines import is_entry, parse_entry
from cronguard.crontab.wrap import Guarding, unwrap, wrap
from cronguard.system.errors import UsageError

FLOCKS = pytest.mark.parametrize("replace_flock", [False, True])
CORPUS = pytest.mark.parametrize("name", crontabs.NAMES)


def wrapped(text, **guarding):
    return wrap(text, Guarding(**{"ns": "web", **guarding})).text


def command_of(line, **more):
    return parse_entry(wrapped(f"0 3 * * * {line}", **more), system=False).command


def notes(text, **guarding):
    return [(note.number, note.text) for note in wrap(text, Guarding(**guarding)).notes]


def changed(name, **more):
    """Return the commands of a crontab that were changed, before and after."""
    old = crontabs.read(name).split("\n")
    new = wrapped(crontabs.read(name), system=crontabs.is_system(name), **more).split("\n")
    pairs = [pair for pair in zip(old, new, strict=True) if pair[0] != pair[1]]
    return [
        tuple(parse_entry(line, system=crontabs.is_system(name)).command for line in pair) for pair in pairs
    ]


def test_the_corpus_is_large():
    lines = [line for name in crontabs.NAMES for line in crontabs.read(name).split("\n")]
    assert len(list(filter(is_entry, lines))) > 300
    assert sum(len(changed(name)) for name in crontabs.NAMES) > 300


@CORPUS
@FLOCKS
def test_unwrapping_gives_the_original_back_byte_for_byte(name, replace_flock):
    text, system = crontabs.read(name), crontabs.is_system(name)
    assert unwrap(wrapped(text, system=system, replace_flock=replace_flock), system=system).text == text


@CORPUS
@FLOCKS
def test_wrapping_twice_changes_nothing_more(name, replace_flock):
    once = wrapped(crontabs.read(name), system=crontabs.is_system(name), replace_flock=replace_flock)
    assert wrapped(once, system=crontabs.is_system(name)) == once


@CORPUS
def test_every_line_is_guarded_or_noted_as_unchanged(name):
    text, system = crontabs.read(name), crontabs.is_system(name)
    result = wrap(text, Guarding(system=system))
    for number, (old, new) in enumerate(zip(text.split("\n"), result.text.split("\n"), strict=True), 1):
        stays = [note for note in result.notes if note.stays and note.number == number]
        assert bool(stays) == (is_entry(old) and old == new), old


# One process runs all lines of a crontab, in a shell in which `cronguard` is a function that prints its arguments.
GUARD = "cronguard() { printf '%s\\0' \"$@\"; printf '\\1\\0'; }\n"


def said_by(script):
    line = script.encode(errors="surrogateescape")
    out = subprocess.check_output(["/bin/sh", "-c", line], stdin=subprocess.DEVNULL)
    calls = out.decode(errors="surrogateescape").split("\1\0")[:-1]
    return [call.split("\0")[:-1] for call in calls]


def called(shells):
    """Return the arguments that `cronguard` gets when a shell runs each of the lines."""
    return said_by(GUARD + "\n".join(shells))


def words_of(shell):
    """Return the words of a simple command as a shell splits them."""
    return said_by(GUARD + "cronguard " + shell)[0]


def check_call(arguments, before):
    """Check that the guard will run what the shell would have run."""
    if arguments[-2] == "-c" and arguments[-1] == before:
        return
    assert arguments[arguments.index("--") + 1 :] == words_of(before)


@CORPUS
@pytest.mark.parametrize("cron", [crontabs.debian_cron, crontabs.cronie])
def test_the_shell_gives_the_guard_what_it_would_have_run_itself(name, cron):
    pairs = [(cron(old), cron(new)) for old, new in changed(name)]
    assert [before[1] for before, _ in pairs] == [after[1] for _, after in pairs]
    calls = called([after[0] for _, after in pairs])
    for (before, _), arguments in zip(pairs, calls, strict=True):
        check_call(arguments, before[0])


@CORPUS
def test_each_job_has_a_name_of_its_own(name):
    calls = called([crontabs.debian_cron(new)[0] for _, new in changed(name)])
    names = [call[call.index("--name") + 1] for call in calls]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "line",
    [
        "/bin/x", "/bin/x -a 'b c' \"d e\" f\\ g", 'mail -s "It\'s 10pm" joe%Joe,%%Where?%', "/bin/x 100\\%", "sudo -u a b",
        "/bin/bash -l -c 'cd /x && y > z'", "rsync -a --exclude='*.tmp' /a b@c:/d", "/bin/x a=b", "x 'a'\\''b'",
    ],
)  # fmt: skip
def test_one_program_and_its_arguments_are_run_directly(line):
    assert command_of(line).endswith(f" --wrapped -- {line}")


@pytest.mark.parametrize(
    "line",
    [
        "a; b", "a & b", "a && b", "a | b", "a < b", "a > b", "a $b", "a `b`", "(a)", "{ a; }", "a *", "a b?", "a [b]", "~/a", "a #b",
        "! a", 'a "$b"', 'a "`b`"', "A=b c", "cd", "test -e a", "[ -e a ]", "if a; then b; fi", "echo a", "exec a", "a {b,c}", "time a",
        ". a", "a 2>&1", "a \\\\", "a ^b", "=a", "a 'b", "a $'b'",
    ],
)  # fmt: skip
def test_a_command_that_the_shell_has_to_interpret_is_passed_as_a_line(line):
    assert command_of(line) == command_of(line).split(" -c ")[0] + " -c '" + line.replace("'", "'\\''") + "'"


@pytest.mark.parametrize("line", ["a > b%in%put", "a \\% > b%", "cat%x > y"])
def test_text_after_a_bare_percent_sign_stays_input(line):
    shell, given = crontabs.debian_cron(line)
    assert crontabs.debian_cron(command_of(line))[1] == given
    assert shell.split()[0] in crontabs.debian_cron(command_of(line))[0]


# names


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("/usr/local/bin/backup.sh --full", "backup"),
        ("cd /srv && nice -n 19 ionice -c3 ./sync.py", "sync"),
        ("API_HOST=a.example.org /var/www/mail_customers.sh", "mail_customers"),
        ("/usr/bin/php8.2 -d a=b -f $HOME/html/cron.php > x", "cron"),
        ("php /var/www/artisan schedule:run", "artisan-schedule-run"),
        ("cd /srv && venv/bin/python manage.py clearsessions", "manage-clearsessions"),
        (
            "/bin/bash -l -c 'cd /x && RAILS_ENV=production bundle exec rake billing:charge'",
            "rake-billing-charge",
        ),
        ("su - postgres -c 'pg_dump shop > /backups/shop.sql'", "pg_dump"),
        ("flock -n /tmp/l timeout -k 5 30m /srv/a.rb", "a"),
        ("flock -n /tmp/l -c 'cd /x; ./b.py'", "b"),
        ("test -x /usr/bin/certbot && perl -e 'sleep int(rand(4))' && certbot -q renew", "certbot-renew"),
        ("if [ -x /x/checkarray ] && [ $(date +\\%d) -le 7 ]; then /x/checkarray --all; fi", "checkarray"),
        ("test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.weekly )", "cron.weekly"),
        ("python3 -m app.tasks.reports", "app.tasks.reports"),
        ("sleep 5", "sleep"),
        ("echo $(hostname)", "echo"),
        ("/srv/caf\udce9/\udce9.sh", "job"),
        ("python3 -c 'import x'", "python3"),
    ],
)
def test_a_job_is_named_after_its_program_or_script(line, name):
    assert f" --name {name} " in command_of(line)


def test_jobs_with_the_same_name_are_distinguished_by_their_content_and_not_their_order():
    a, b = "0 1 * * * rsync -a a b", "0 2 * * * rsync -a c d"
    forward, backward = wrapped(f"{a}\n{b}").split("\n"), wrapped(f"{b}\n{a}").split("\n")
    assert forward == backward[::-1]
    assert "--name rsync-" in forward[0] and "--name rsync-" in forward[1]


def test_the_name_of_a_guarded_line_is_not_used_again():
    text = "0 1 * * * cronguard run --ns web --name rsync -- rsync -a a b\n0 2 * * * rsync -a c d"
    assert "--name rsync-" in wrapped(text).split("\n")[1]


def test_the_namespace_is_the_requested_one_or_the_crontabs_or_the_default():
    text = "0 1 * * * a\nCRONGUARD_NS=billing\n0 2 * * * b"
    assert ["--ns root" in line for line in wrap(text, Guarding(default_ns="root")).text.split("\n")] == [
        True,
        False,
        False,
    ]
    assert wrapped(text).count("--ns web") == 2


# schedules


@pytest.mark.parametrize(
    "line",
    [
        "sleep 5; a",
        "sleep $(( RANDOM \\% 60 )); a",
        "perl -e 'sleep rand 9' && a",
        "cd / && run-parts /etc/cron.daily",
        "anacron -s",
    ],
)
def test_a_line_that_sleeps_or_may_start_late_gets_its_schedule(line):
    assert " --schedule '*/5 1-3 * * *' --wrapped " in wrapped(f"*/5\t1-3 *  * * {line}")


def test_the_schedule_is_in_the_zone_of_the_line():
    assert " --timezone Asia/Tokyo --schedule '0 3 * * *' " in wrapped(
        "CRON_TZ=Asia/Tokyo\n0 3 * * * sleep 5; a"
    )
    assert " --timezone localtime --schedule @daily " in wrapped("TZ=UTC\n@daily sleep 5; a")


def test_other_lines_need_no_schedule():
    assert "--schedule" not in wrapped("0 3 * * * a sleepy; asleep\nsleep=1")


# lines that stay


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("@reboot a", "@reboot"),
        ("# cronguard: skip\n0 3 * * * a", "skip"),
        ("0 3 * * * a # cronguard: skip", "skip"),
        ("0 3 * * * cronguard run --name x -- a", "has a guard"),
        ("0 3 * * * sleep 5; /opt/bin/cronguard run --name x -- a", "has a guard"),
        ("* * * * * cronguard heartbeat", "runs cronguard itself"),
        ("0 3 * * *", "runs nothing"),
        ("0 3 * * * %in", "runs nothing"),
        ("0 3 * * a", "is not valid"),
        ("60 3 * * * a", "out of range"),
        ("0~59 3 * * * a", "different time on each node"),
        ("0 3 * * * root a", "add --system"),
        ("SHELL=/usr/bin/fish\n0 3 * * * a", "SHELL=/usr/bin/fish"),
        ("SHELL=/usr/bin/cronguard-shell\n0 3 * * * a", "guarded by SHELL="),
        ("# cronguard time-slice: */10 * * * * a\n0,20,40 * * * * a", "time-slice"),
        ("0 3 * * * a\0b", "not a valid crontab line"),
    ],
)  # fmt: skip
def test_a_line_that_stays_has_a_reason(text, reason):
    result = wrap(text, Guarding())
    assert result.text == text
    assert [(note.stays, reason in note.text) for note in result.notes] == [(True, True)]


def test_a_skip_mark_applies_to_the_next_line_only():
    assert "-- b" in wrapped("# cronguard: skip\n0 3 * * * a\n0 3 * * * b")


def test_a_line_that_would_be_too_long_for_cron_stays():
    room = 998 - len("cronguard run --ns web --name a --wrapped -- ")
    fits, is_long = "0 3 * * * a " + "x" * (room - 2), "0 3 * * * a " + "x" * (room - 1)
    assert wrapped(fits) != fits
    assert wrapped(is_long) == is_long
    assert "would have 999 bytes" in notes(is_long, ns="web")[0][1]
    assert wrapped("0 3 * * * a " + "\udce9" * (room - 1)) == "0 3 * * * a " + "\udce9" * (room - 1)


def test_in_a_system_crontab_the_guard_follows_the_user_and_the_flags():
    assert (
        wrapped("0 3 * * *\troot  -n a", system=True)
        == "0 3 * * *\troot  -n cronguard run --ns web --name a --wrapped -- a"
    )
    assert wrapped("-0 3 * * * a") == "-0 3 * * * cronguard run --ns web --name a --wrapped -- a"
    with pytest.raises(UsageError):
        parse_entry("0 3 * * * a", system=True)


# flock


@pytest.mark.parametrize(
    ("line", "replaced"),
    [
        (
            '/usr/bin/flock -n /x.lock su - app -c "a && b"',
            "--replaces '/usr/bin/flock -n /x.lock ' -- su - app -c \"a && b\"",
        ),
        ("flock -n /x.lock -c 'a > b'%in", "--replaces 'flock -n /x.lock -c ' -c 'a > b'%in"),
        ('flock -xn /x.lock  -c "a > $HOME/b"', "--replaces 'flock -xn /x.lock  -c ' -c \"a > $HOME/b\""),
        ("flock --nonblock /x.lock a > b 2>&1", "--replaces 'flock --nonblock /x.lock ' -c 'a > b 2>&1'"),
    ],
)
def test_a_flock_that_only_skips_is_replaced_on_request(line, replaced):
    said = notes(f"0 3 * * * {line}")
    assert "--replace-flock" in said[0][1] and line in wrapped(f"0 3 * * * {line}").replace("'\\''", "'")
    assert command_of(line, replace_flock=True).endswith(replaced)
    assert not notes(f"0 3 * * * {line}", replace_flock=True)


@pytest.mark.parametrize(
    "line",
    [
        "flock /x.lock a", "flock -w 5 /x.lock a", "flock -n -E 0 /x.lock a", "flock -n /x.lock a; b", "flock -n /x.lock a || b",
        "flock -n /x.lock echo a", "flock -n '/x lock' a", "flock -n /x$A a", "flock -s -n /x.lock a", "flock -n 9", "flock -n /x.lock -c a b",
    ],
)  # fmt: skip
def test_a_flock_that_does_more_than_skip_stays(line):
    text = f"0 3 * * * {line}"
    assert "--replaces" not in wrapped(text, replace_flock=True)
    assert not notes(text)


def test_flocks_on_a_lock_file_that_two_lines_share_stay():
    text = "0 3 * * * flock -n /x.lock a\n0 4 * * * flock -n /x.lock b"
    assert "--replaces" not in wrapped(text, replace_flock=True)
    assert [said for _, said in notes(text)] == [
        "'flock -n /x.lock' stays: other lines use the same lock file"
    ] * 2


# unwrapping


def test_a_guard_can_be_removed_after_options_were_added_to_it():
    guarded = "0 4 * * * cronguard run --ns web --name b -E 0 --retry=never --wrapped --ttl '5m' -c 'a > b'"
    assert unwrap(guarded).text == "0 4 * * * a > b"


@pytest.mark.parametrize(
    "line",
    [
        "0 3 * * * cronguard run --ns web --name a -- a",
        "0 3 * * * sleep 5; cronguard run --wrapped -- a",
        '0 3 * * * cronguard run --wrapped -c "a"',
        "0 3 * * * cronguard run --wrapped a",
        "0 3 * * * cronguard run --wrapped",
        "0 3 * * * cronguard run --name x --replaces flock -- a",
    ],
)
def test_a_guard_that_wrap_did_not_write_stays(line):
    result = unwrap(line)
    assert result.text == line
    assert [note.stays for note in result.notes] == [True]


PIECES = st.sampled_from(
    ["a", " ", "  ", "\t", "'", '"', "\\", "%", "\\%", "$", "$(", ")", "`", ";", "&&", "|", ">", "#", "flock -n /x ", "-c ", "cd ", "-- ",
     "cronguard run ", "--wrapped ", "root ", "=", "*", "\udce9", "é", "\r", "\x0b", "sleep 5", "bash -c ", "{", "}", "~"]
)  # fmt: skip
SCHEDULES = st.sampled_from(
    ["* * * * *", "*/5 1-3\t* *  mon", "@daily", "@reboot", "-0 3 * * *", " 0 0 1 1 *", "0 3 * *", "@x"]
)
COMMANDS = st.lists(PIECES, max_size=12).map("".join)
LINES = st.one_of(
    st.tuples(SCHEDULES, st.sampled_from([" ", "\t ", " root ", " -n "]), COMMANDS).map("".join),
    st.sampled_from(["", "# it's", "SHELL=/bin/bash", "SHELL=/bin/csh", "CRON_TZ=UTC", "# cronguard: skip", "# cronguard time-slice: x"]),
    st.text(alphabet=" \t#=ab'\"%\\*0\udcff\r\x0b\x85", max_size=12),
)  # fmt: skip


@given(st.lists(LINES, max_size=6).map("\n".join), st.booleans(), st.booleans())
def test_any_crontab_can_be_unwrapped_and_is_wrapped_only_once(text, system, replace_flock):
    if "--wrapped" in text:  # only wrap writes this option
        text = text.replace("--wrapped", "")
    once = wrapped(text, system=system, replace_flock=replace_flock)
    assert unwrap(once, system=system).text == text
    assert wrapped(once, system=system) == once


@given(COMMANDS, st.sampled_from([crontabs.debian_cron, crontabs.cronie]))
def test_for_any_command_the_guard_gets_what_the_shell_would_have_run(command, cron):
    text = f"0 3 * * * {command}"
    if wrapped(text) == text:
        return
    before, given_ = cron(parse_entry(text, system=False).command)
    after, still_given = cron(parse_entry(wrapped(text), system=False).command)
    assert still_given == given_
    [arguments] = called([after])
    check_call(arguments, before)
