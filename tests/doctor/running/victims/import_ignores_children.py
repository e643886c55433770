"""An import after which nobody can wait for a child."""

import signal

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
