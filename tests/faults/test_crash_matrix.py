"""Every call of a claim, a renewal, a settling and a takeover goes wrong once, in each of five ways."""

import os

import pytest
from fusefs import Fault, Mount, PassThrough, reason_not_to_mount
from matrix import FAULTS, STEPS, try_case


@pytest.fixture(scope="module")
def mount(tmp_path_factory):
    if reason := reason_not_to_mount():
        (pytest.fail if os.environ.get("CRONGUARD_CI") else pytest.skip)(reason)
    top = tmp_path_factory.mktemp("faults")
    (top / "disk").mkdir()
    with Mount(top / "disk", top / "mounted", top / "faults") as mounted:
        yield mounted


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("scheme", ["dir", "file"])
def test_no_fault_makes_two_holders_or_stops_the_next_tick(mount, scheme, step, fault):
    cases = 0
    for call in PassThrough.CALLS:
        index = 0
        while _case(mount, scheme, step, call, index, fault):
            index += 1
        cases += index
    assert cases > 0


def _case(mount, scheme, step, call, index, fault):
    doing, number = FAULTS[fault]
    name = f"{scheme}-{step}-{fault.replace(' ', '-')}-{call}-{index}"
    told = Fault(call, doing, path=f"/{name}/*", errno=number, times=1, skip=index)
    os.mkdir(f"{mount.path}/{name}")
    return try_case(scheme, step, mount, f"{mount.path}/{name}", told, is_hang=doing == "hang")
