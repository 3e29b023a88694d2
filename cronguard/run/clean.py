"""A guard that starts without children, and on the clock that its children will read.

A shell can start processes and then become cronguard: `sleep 20 & exec cronguard run ...`, or the process substitution
in `cronguard run ... > >(cat > log)`. Such processes, and those that they leave behind, would be taken for the
command's: the run would wait for them, renew its lease for them, and kill them.
"""

import os

from cronguard.system import proctree
from cronguard.system.clock import continue_in_child, enter_time_namespace
from cronguard.system.errors import no_process


def start_clean() -> None:
    """Continue in a child of this process, if it has children, or is not in its children's time namespace.

    Call it before any clock is read. Raises CommandNotExecutableError if no process can be started.
    """
    try:
        enter_time_namespace()
        if proctree.children(os.getpid()):
            continue_in_child()
    except OSError as error:
        raise no_process(error) from error
