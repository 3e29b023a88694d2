import os
import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cronguard.crontab.split import restore, split
from cronguard.schedule.schedule import Schedule
from cronguard.system.errors import UsageError
from cronguard.turns.time_slice import share

# from the crontabs of real machines
SYSTEM = r"""57 0 * * 0 root if [ -x /usr/share/mdadm/checkarray ] && [ $(date +\%d) -le 7 ]; then /usr/share/mdadm/checkarray --cron --all --idle --quiet; fi
0 */12 * * * root test -x /usr/bin/certbot -a \! -d /run/systemd/system && perl -e 'sleep int(rand(43200))' && certbot -q renew
47 6 * * 7 root test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.weekly )
"""
USER = r"""# it's the "app" user's
SHELL=/bin/bash
MAILTO = "ops@example.org"
  PATH='/usr/local/bin:/usr/bin:/bin'
EMPTY=

0 2 * * * pg_dump -h host -U user -d saasready | gzip > /backups/$(date +\%Y\%m\%d).sql.gz
0 0 * * * /bin/bash -l -c 'cd /path/to/app && RAILS_ENV=production bundle exec rake billing:charge_expired_trials'
0 22 * * 1-5    mail -s "It's 10pm" joe%Joe,%%Where are your kids?%
*/5  *  *  *  * sleep $(( 1 + RANDOM \% 60 )) ; php -f $HOME/html/cron.php > $HOME/logs/nextcloud-cron.log 2>&1
0 8 * * * API_HOST=redis.example.org /var/www/mail_customers.sh
* * * * * /usr/bin/flock -n /var/lock/x.lock su - app -c "cd /opt/app/ && python app.py"
@reboot /usr/local/bin/warm-cache
 TAB*/10TAB*TAB*TAB*TAB*TABtabsTABand trailing blanks BLANK
  # an indented comment
CRON_TZ=Asia/Tokyo
@dailyTAB/usr/local/bin/report
@hourly x
*/15 * * * * no newline at the end""".replace("TAB", "\t").replace("BLANK", " ")


def deal(nodes, index, zone="UTC"):
    def shares(expression, timezone):
        schedule = Schedule.parse(expression, timezone or zone)
        return [expression] if nodes == 1 else share(schedule, nodes, index)

    return shares


def gate(expression, timezone):
    return " ".join(["GATE", *([timezone] if timezone else []), shlex.quote(expression), "-c"])


def split_for(text, nodes, index, *, system=False):
    return split(text, deal(nodes, index), gate, system=system)


@pytest.mark.parametrize(("text", "system"), [(SYSTEM, True), (USER, False)])
def test_one_node_has_the_whole_crontab_byte_for_byte(text, system):
    assert split_for(text, 1, 0, system=system) == text


@pytest.mark.parametrize(("text", "system"), [(SYSTEM, True), (USER, False)])
@pytest.mark.parametrize("nodes", [2, 3, 7])
@pytest.mark.parametrize("then", [(1, 0), (2, 1), (5, 3)])
def test_splitting_again_starts_from_the_original(text, system, nodes, then):
    once = split_for(text, nodes, 1, system=system)
    assert split_for(once, *then, system=system) == split_for(text, *then, system=system)
    assert "\n".join(restore(once, system=system)) == text


@pytest.mark.parametrize(("text", "system"), [(SYSTEM, True), (USER, False)])
@pytest.mark.parametrize("nodes", [2, 3, 1000])
def test_only_schedule_lines_change_and_their_originals_stay_in_markers(text, system, nodes):
    after = split_for(text, nodes, 0, system=system).split("\n")
    for line in text.split("\n"):
        assert line in after or any(a.endswith(f": {line}") for a in after)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("system", [False, True])
def test_debian_crontab_accepts_the_result(tmp_path, index, system):
    text = (SYSTEM if system else USER.replace("EMPTY=\n", "")) + "\n"
    (tmp_path / "crontab").write_text(split_for(text, 2, index, system=system))
    subprocess.run(["crontab", "-n", tmp_path / "crontab"], check=True, stdout=subprocess.DEVNULL)


def test_a_line_is_replaced_by_a_marker_and_its_share():
    assert split_for("*/10  * * * *\tjob\n", 2, 1) == (
        "# cronguard time-slice: */10  * * * *\tjob\n10,30,50  * * * *\tjob\n"
    )


def test_a_line_may_become_several_and_the_marker_counts_them():
    assert split_for("*/20 * * * * job\n", 2, 0) == (
        "# cronguard time-slice 2 lines: */20 * * * * job\n0,40 0-22/2 * * * job\n20 1-23/2 * * * job\n"
    )


def test_an_empty_share_leaves_only_the_marker():
    nothing = split("5 4 * * * job\nA=1", lambda *_: [], gate)
    assert nothing == "# cronguard time-slice 0 lines: 5 4 * * * job\nA=1"
    assert restore(nothing) == ["5 4 * * * job", "A=1"]


@pytest.mark.parametrize(
    ("line", "gated"),
    [
        ("0 3 * * * job", "0 3 * * * GATE '0 3 * * *' -c 'job'"),
        ("@daily\tjob --at 'x y'", r"@daily	GATE @daily -c 'job --at '\''x y'\'''"),
        (r"0 3 * * * a \% b%in%put\%", r"0 3 * * * GATE '0 3 * * *' -c 'a \% b'%in%put\%"),
        (r"0 3 * * * a \\% b", r"0 3 * * * GATE '0 3 * * *' -c 'a \\'% b"),
        ("0 3 * * * %only input", "0 3 * * * GATE '0 3 * * *' -c ''%only input"),
    ],
)
def test_a_share_that_cron_cannot_express_keeps_its_schedule_and_gets_the_gate(line, gated):
    assert split_for(line, 2, 0) == f"# cronguard time-slice: {line}\n{gated}"


def test_in_a_system_crontab_the_gate_follows_the_user():
    assert split_for("0 3 * * *\troot  job", 2, 0, system=True).endswith(
        "0 3 * * *\troot  GATE '0 3 * * *' -c 'job'"
    )


def test_the_gate_uses_the_zone_that_is_set_above_its_line():
    text = "0 1 * * * a\nCRON_TZ = 'Asia/Tokyo' \n0 2 * * * b\nCRON_TZ=\n0 3 * * * c\nTZ=UTC\n0 4 * * * d"
    gates = [
        line for line in split_for(text, 2, 0).split("\n") if "GATE" in line and not line.startswith("#")
    ]
    assert [line.split("GATE ")[1].split(" '")[0] for line in gates] == [
        "'0 1 * * *' -c",
        "Asia/Tokyo",
        "'0 3 * * *' -c",
        "localtime",
    ]


@pytest.mark.parametrize(
    "line", ["0 3 * * *", "@daily", "@daily ", "@reboot", "@reboot job", "", "\t", "#", " A = b"]
)
def test_a_line_without_a_command_to_share_stays_as_it_is(line):
    assert split_for(line, 2, 0) == line


@pytest.mark.parametrize(
    "line",
    [
        "job",
        "0 3 * * job",
        "* * * * * * job",
        "5/15 * * * * job",
        "@every 5m job",
        "-*/5 * * * * job",
        "0 0 31 2 * job",
        "\r",
        "0 3 * * * " + "x" * 999,
        "0 3 * * * " + "x" * 980,
        "@reboot " + "x" * 999,
        "0 3 * * * root job",
    ],
)
def test_a_line_that_cron_would_refuse_is_an_error_with_its_number(line):
    with pytest.raises(UsageError, match=r"^crontab line 2: ") as refused:
        split_for(f"A=1\n{line}\n", 2, 0)
    assert refused.value.hint


def test_a_command_may_be_as_long_as_cron_allows():
    line = "*/10 * * * * " + "x" * 998
    assert split_for(line, 2, 0).endswith("\n0,20,40 * * * * " + "x" * 998)


@pytest.mark.parametrize("after", ["", "5 4 * * * another\n", "0,20,40 * * * * edited\n"])
def test_a_marker_without_its_lines_is_an_error_and_no_other_line_is_lost(after):
    with pytest.raises(UsageError, match="crontab line 1: the lines after this marker"):
        split_for(f"# cronguard time-slice: */10 * * * * job\n{after}", 2, 0)


# How cron splits a command (do_command.c): into the shell line and its standard input.
def as_cron(command):
    shell, rest, escaped = "", "", False
    for place, character in enumerate(command):
        if escaped and character in "%\\":
            shell = shell[:-1]
        elif character == "%" and not escaped:
            rest = command[place:]
            break
        shell += character
        escaped = character == "\\" and not escaped
    return shell, rest


@settings(deadline=None)
@given(st.text(alphabet=r"ab '\"%$;", min_size=1, max_size=30).map(str.strip).filter(bool))
def test_the_gated_shell_line_is_the_one_that_cron_would_have_run(command):
    gated = split_for(f"0 3 * * * {command}", 2, 0).split("\n")[1].removeprefix("0 3 * * * ")
    shell, rest = as_cron(gated)
    assert (shlex.split(shell, posix=True)[-1], rest) == as_cron(command)


def test_the_shell_passes_the_original_line_to_the_gate(tmp_path):
    command = r"""printf '%s|' "it's" \$HOME 'a  b' \\"""
    escaped = command.replace("\\", "\\\\").replace("%", "\\%")
    program = tmp_path / "GATE"
    program.write_text('#!/bin/sh\nprintf %s "$3"\n')
    program.chmod(0o755)
    gated = split_for(f"0 3 * * * {escaped}", 2, 0).split("\n")[1].removeprefix("0 3 * * * ")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert (
        subprocess.check_output(["/bin/sh", "-c", as_cron(gated)[0]], env=environment, text=True) == command
    )


LINES = st.one_of(
    st.sampled_from([*USER.split("\n"), "*/20 * * * * x", "7 */3 * * * y%in", "0-59/4 1,2 * * 1 z"]),
    st.text(alphabet=" \t#=ab'\"\udcff\r\x0b\x85", max_size=8).map("#".__add__),
)


@settings(deadline=None)
@given(st.lists(LINES).map("\n".join), st.integers(1, 9), st.integers(1, 9))
def test_splitting_any_crontab_twice_changes_nothing_more(text, nodes, others):
    once = split_for(text, nodes, 0)
    assert split_for(once, nodes, 0) == once
    assert split_for(once, others, others - 1) == split_for(text, others, others - 1)
    assert split_for(once, 1, 0) == text
