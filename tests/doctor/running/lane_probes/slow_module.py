"""Remembers which process imported it."""

import os

LOADED_BY = os.getpid()
