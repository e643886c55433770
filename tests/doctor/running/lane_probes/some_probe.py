"""Well-behaved and other probes; standard library only."""

import json
import os
import signal
import sys
import time


def interpreter(request):
    return {"executable": sys.executable, "pid": os.getpid()}


def module_count(request):
    return {"modules": len(sys.modules)}


def inputs(request):
    return request["inputs"]


def loads_of_slow_module(request):
    return {"loaded_by": sys.modules["lane_probes.slow_module"].LOADED_BY, "pid": os.getpid()}


def pollute(request):
    json.polluted = True
    return {}


def polluted(request):
    return {"polluted": hasattr(json, "polluted")}


def raises(request):
    raise ValueError("broken on purpose")


def hang(request):
    time.sleep(600)


def kill_parent(request):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(30)
