"""The completions are the ones that this version of click generates, and they work."""

import pytest
from documents import read

ASK_BASH = """
source {completions}
COMP_WORDS=({words}) COMP_CWORD={number}
_cronguard_completion cronguard
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def completed(shell, tmp_path):
    """Return bash's completions for the last word."""
    (tmp_path / "completions.bash").write_text(read("completions/cronguard.bash"))

    def ask(words):
        number = len(words.split()) - 1
        script = ASK_BASH.format(completions="completions.bash", words=words, number=number)
        return shell(script).stdout.split()

    return ask


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_they_are_current(name, shell):
    made = shell("cronguard", _CRONGUARD_COMPLETE=f"{name}_source")
    assert (made.returncode, made.stdout) == (0, read(f"completions/cronguard.{name}"))


def test_bash_completes_commands_and_options(completed):
    assert completed("cronguard lo") == ["locks"]
    assert completed("cronguard run --kill") == ["--kill-after"]
    assert completed("cronguard crontab un") == ["unwrap"]
    assert completed("cronguard crontab wrap --rep") == ["--replace-flock"]
    assert "--json" in completed("cronguard locks --")
