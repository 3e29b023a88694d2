"""doctor on real servers: what it creates, and whether they provide mutual exclusion."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import session
from stores import STORES

CHECKOUT = Path(__file__).resolve().parents[2]


def findings(store, folder, *argv):
    command = [sys.executable, "-m", "cronguard", "doctor", "--json", "--backend", store.url, *argv]
    own = {"PYTHONPATH": str(CHECKOUT), "CRONGUARD_STATE_DIR": f"{folder}/state", "CRONGUARD_NODE": "web1"}
    done = subprocess.run(
        command,
        env={**os.environ, **store.env, **own},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return {row["name"]: row for row in json.loads(done.stdout)}


@pytest.mark.parametrize("name", ["etcd", "postgres", "redis"])
def test_an_engine_passes_all_checks_and_provides_mutual_exclusion(name, place):
    found = findings(STORES[name](place), place, "--init", "--verify", "2s")
    about_the_store = ("init", "backend", "clock", "records", "same-name", "versions", "verify")
    assert {word: found[word]["state"] for word in about_the_store} == dict.fromkeys(about_the_store, "ok")
    assert "mutual exclusion holds" in found["verify"]["what"]


def test_the_administrator_creates_the_table(place):
    store = STORES["postgres"](place)
    assert findings(store, place, "--init")["init"]["what"] == "the table public.cronguard exists"
    assert (
        session.postgres().sql("SELECT count(*) FROM public.cronguard").strip() == "1"
    )  # doctor's own entry
