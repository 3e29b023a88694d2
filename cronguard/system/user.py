"""The current user's name, for people who read it later."""

import os
from collections.abc import Mapping


def user_name(env: Mapping[str, str]) -> str:
    """Return the user's name: the login name, or else the name of the process's user."""
    if user := env.get("LOGNAME") or env.get("USER"):
        return user
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
