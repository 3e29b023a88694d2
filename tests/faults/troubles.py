"""The ways in which a call goes wrong."""

import errno
from typing import NamedTuple


class Trouble(NamedTuple):
    """What happens to a call, and when it continues: after so many runs of others, or calls of the same step."""

    doing: str
    errno: int
    runs: int = 0
    calls: int = 0

    @property
    def is_late(self):
        return self.doing in ("late", "overdue")


TROUBLES = {
    "EIO": Trouble("fail", errno.EIO),
    "ESTALE": Trouble("fail", errno.ESTALE),
    "ENOSPC": Trouble("fill", errno.ENOSPC),
    "EEXIST after success": Trouble("lose", errno.EEXIST),
    "SIGKILL": Trouble("kill", 0),
    "hang, then EIO": Trouble("hang-fail", errno.EIO, 1),
    "hang, then done": Trouble("hang", 0, 1),
    "hang, done two runs later": Trouble("hang", 0, 2),
    "EIO, done a call later": Trouble("overdue", errno.EIO, calls=1),
    "EIO, done two runs later": Trouble("late", errno.EIO, 2),
}
