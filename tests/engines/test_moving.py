"""A job is moved from one backend to another, and back. Its tokens keep growing, so its target can compare them."""

import os
import time

from engine_nodes import Nodes
from rig import shell
from stores import STORES


def test_tokens_grow_from_one_backend_to_the_next_and_on_the_way_back(place, tmp_path):
    urls = [STORES[name](_folder(place, name)).url for name in ("dir", "etcd", "postgres", "redis", "file")]
    nodes, tokens = Nodes(tmp_path, "local"), []
    for number, url in enumerate([*urls, *reversed(urls)]):
        tick = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(time.time() - 7200 + 60 * number))
        done = nodes.run("--tick", tick, *shell("echo $CRONGUARD_TOKEN"), env={"CRONGUARD_BACKEND": url})
        assert done.status == 0, done.err
        tokens.append(int(done.out))
    nodes.clean_up()
    assert tokens == sorted(set(tokens))


def _folder(place, name):
    os.mkdir(f"{place}/{name}")
    return f"{place}/{name}"
