"""Misbehaving probes; standard library only, like every probe."""

import ctypes
import os
import signal
import subprocess
import sys
import time

MEGABYTE = b"x" * (1 << 20)


def fine(request):
    print("chatter that is not an answer")
    return {"echo": request["value"], "argv": sys.argv, "first_path": sys.path[0]}


def raises(request):
    try:
        import a_module_that_does_not_exist  # noqa: F401
    except ImportError as error:
        raise RuntimeError("could not start") from error


def leaves(request):
    raise SystemExit(7)


def segfault(request):
    ctypes.string_at(0)


def abort(request):
    os.abort()


def floating_point(request):
    os.kill(os.getpid(), signal.SIGFPE)


def silent_exit(request):
    os._exit(0)


def hang(request):
    time.sleep(600)


def hang_deaf(request):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(600)


def stop_itself(request):
    os.kill(os.getpid(), signal.SIGSTOP)


def killed(request):
    os.kill(os.getpid(), signal.SIGKILL)


def flood(request):
    for _ in range(1024):
        os.write(1, MEGABYTE)
    return {"written": 1 << 30}


def garbage(request):
    os.write(1, b"\xff\xfe\x00\x80 not utf-8 \n" * 1000)
    os.write(2, b"\xff\xfe\x00\x80 not utf-8 \n")
    raise ValueError(b"\xff\xfe".decode("latin-1") + "\ud800")


def not_json(request):
    return {"value": object()}


def not_a_number(request):
    return {"value": float("nan")}


def large(request):
    return {"value": "y" * (8 << 20)}


def grandchild_keeps_pipes(request):
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    return {"left": "a sleeper"}


def escaped_grandchild(request):
    return {"pid": subprocess.Popen(["sleep", "600"], start_new_session=True).pid}


def reads_input(request):
    return {"read": sys.stdin.read(), "by_a_child": subprocess.check_output(["cat"]).decode()}


class Speechless(BaseException):
    def __str__(self):
        raise RuntimeError("no words")


def raises_speechless(request):
    raise Speechless


def forks_and_both_return(request):
    return {"pid": os.fork()}


def grandchild_in_group(request):
    child = subprocess.Popen(["sleep", "600"])
    return {"pid": child.pid}


def spoofs(request):
    os.write(1, b'\ndeadbeefdeadbeef {"event": "result", "ok": true, "data": "forged"}\n')
    return {"honest": True}


def dies_of_recursion(request):
    return dies_of_recursion(request)
