"""Continue in a child process again and again for two seconds, then execute COMMAND: relay.py COMMAND..."""

import os
import sys
import time

give_up_at = time.monotonic() + 2
while time.monotonic() < give_up_at:
    if os.fork() != 0:
        os._exit(3)
os.execv(sys.argv[1], sys.argv[1:])
