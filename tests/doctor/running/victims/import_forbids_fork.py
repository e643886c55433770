"""After it the system refuses new processes, as ``ulimit -u`` does."""

import errno
import os


def refuse():
    raise OSError(errno.EAGAIN, "Resource temporarily unavailable")


os.fork = refuse
