"""`cronguard heartbeat`: what it prints about changes."""

import pytest

from cronguard.cli import heartbeat
from cronguard.heartbeat.heartbeat import News
from cronguard.system.log import Log


@pytest.mark.parametrize(
    ("news", "text"),
    [
        (News("fit", "this node", ""), "this node is fit"),
        (News("unfit", "this node", "app"), "this node is unfit: app"),
        (News("trouble", "web2 ip: no permission", ""), "web2 ip: no permission"),
    ],
)
def test_a_change_is_reported_with_its_detail_if_there_is_one(capsys, news, text):
    heartbeat._tell([news], Log("none", "text", node="web1"), verbose=True)
    assert capsys.readouterr().err == f"cronguard: {text}\n"
