"""Runs inside the interpreter that is examined. Standard library only; Python 3.8 can parse it.

It imports the heavy modules once and runs each probe in a fork of itself (where the platform can
fork), so that probes share the cost of the imports and nothing else. It obeys one JSON command a
line on standard input:

    {"id": 1, "op": "import", "name": "transformers:AutoModel", "deadline": 60.0}
    {"id": 2, "op": "run", "entry": "package.module:function", "request": {...}, "deadline": 30.0}

and answers with frames on what was standard output, one line each, ``<token> {json}``. Whatever
anybody prints goes to standard error, so it cannot be taken for an answer, and nobody but the
agent can read its commands. Nothing here judges.

Usage: agent.py TOKEN '{"package": "/folder/of/package", ...}'
"""

import contextlib
import faulthandler
import gc
import importlib
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
import time
import traceback
from typing import Any, BinaryIO, Callable, Dict, Iterator

ORPHAN_GRACE_S = 60.0
"""How long after its deadline work goes on at most when there is no doctor left to end it."""


class PackageFinder:
    """Finds the probes' packages by folder, without putting the doctor's own environment,
    which holds other packages too, on the target's path."""

    def __init__(self, roots: Dict[str, str]) -> None:
        self.roots = roots

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        folder = self.roots.get(name)
        if folder is None:
            return None
        return importlib.machinery.PathFinder.find_spec(name, [os.path.dirname(folder)])


class Frames:
    """Answers to the doctor, on a private copy of standard output."""

    def __init__(self, token: str) -> None:
        self.token = token.encode()
        self.pid = os.getpid()
        self.command = 0
        """Id of the command in hand; an answer to another one is none."""
        self.fd = os.dup(1)
        self.errors = os.dup(2)
        """Standard error, for last words; what an import does to ``sys.stderr`` leaves it alone."""
        os.dup2(2, 1)

    @property
    def ours(self) -> bool:
        """False in a copy of this process that an import or a probe made by forking."""
        return os.getpid() == self.pid

    def send(self, **frame: Any) -> None:
        if not self.ours:
            return
        frame["id"] = self.command
        # A leading newline ends whatever a dying writer left unfinished.
        line = b"\n" + self.token + b" " + json.dumps(frame, allow_nan=False).encode() + b"\n"
        while line:
            line = line[os.write(self.fd, line) :]


def private_commands() -> BinaryIO:
    """Standard input for the agent alone; everybody else finds it empty."""
    commands = os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return commands


def describe_interpreter() -> Dict[str, Any]:
    import platform

    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "prefix": sys.prefix,
        "base_prefix": getattr(sys, "base_prefix", sys.prefix),
        "platform": sys.platform,
        "machine": platform.machine(),
        "is_conda": os.path.isdir(os.path.join(sys.prefix, "conda-meta")),
        "has_pip": importlib.util.find_spec("pip") is not None,
        "can_fork": can_fork(),
        "import_path": list(sys.path),
    }


def can_fork() -> bool:
    # macOS frameworks do not survive a fork, Windows has none: there a probe gets a fresh agent.
    return hasattr(os, "fork") and sys.platform.startswith("linux")


def watch_for_hang(frames: Frames, deadline: float) -> None:
    """Say where the program hangs shortly before the doctor kills it; if the doctor is gone by
    then, the kernel ends it."""
    shortly_before = max(deadline - min(1.0, deadline * 0.1), 0.1)
    faulthandler.dump_traceback_later(shortly_before, exit=False, file=frames.errors)
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, deadline + ORPHAN_GRACE_S)


def stop_watching() -> None:
    faulthandler.cancel_dump_traceback_later()
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """No search for garbage while modules are made: nearly all of it stays, and looking through
    a million objects again and again is a fifth of the time that importing torch takes."""
    wished = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if wished:
            gc.enable()


def import_one(name: str) -> Dict[str, Any]:
    """Import ``module`` or ``module:attribute``; return what came, as facts."""
    module_name, _, attribute = name.partition(":")
    started = time.monotonic()
    with without_collection():
        module = importlib.import_module(module_name)
        if attribute:
            getattr(module, attribute)
    version = getattr(module, "__version__", "")
    return {
        "seconds": round(time.monotonic() - started, 3),
        # Bounded: whatever a module calls its version is later parsed.
        "version": str(version)[:200] if version is not None else "",
        "file": str(getattr(module, "__file__", "") or ""),
    }


def run_probe(command: Dict[str, Any]) -> Any:
    module_name, _, function_name = command["entry"].partition(":")
    module = importlib.import_module(module_name)
    return getattr(module, function_name)(command["request"])


def message_of(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # a broken __str__ must not hide that there was an error
        return "(its message cannot be read)"


def describe_error(error: BaseException) -> Dict[str, Any]:
    """The error as data; the chain of causes is kept, lazy importers hide the first one."""
    chain = []
    seen = set()
    current: Any = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        chain.append("%s: %s" % (type(current).__name__, message_of(current)))
        current = current.__cause__ or current.__context__
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {
        "ok": False,
        "error_type": type(error).__name__,
        "reason": message_of(error)[:4000],
        "chain": [line[:2000] for line in chain[:10]],
        "output": text[-8000:],
    }


def answer(frames: Frames, action: Callable[[], Any]) -> None:
    """Run ``action`` and send its result or its error; SystemExit and the like are errors too."""
    try:
        frame = {"ok": True, "data": action()}
        frames.send(event="result", **frame)
    except BaseException as error:
        frames.send(event="result", **describe_error(error))


def forked(frames: Frames, command: Dict[str, Any]) -> None:
    """Run a probe in a fork that leads its own process group; report how it ended."""
    flush()
    # What is there stays there: a collection in the fork would copy every page that it looks at.
    gc.freeze()
    try:
        pid = os.fork()
    except OSError as error:
        frames.send(event="result", **describe_error(error))
        frames.send(event="exited", exit_code=1)
        return
    if pid == 0:
        status = 1
        try:
            frames.pid = os.getpid()
            os.setsid()
            frames.send(event="forked", pid=os.getpid())
            watch_for_hang(frames, command["deadline"])
            answer(frames, lambda: run_probe(command))
            flush()
            status = 0
        finally:
            os._exit(status)
    try:
        _, status = os.waitpid(pid, 0)
    except ChildProcessError:  # somebody ignores SIGCHLD or waits for every child
        frames.send(event="exited", exit_code=None)
        return
    if os.WIFSIGNALED(status):
        frames.send(event="exited", signal=os.WTERMSIG(status))
    else:
        frames.send(event="exited", exit_code=os.WEXITSTATUS(status))


def flush() -> None:
    """What was printed so far; an import may have closed or replaced the streams."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def serve(frames: Frames, commands: BinaryIO) -> None:
    for line in commands:
        command = json.loads(line)
        frames.command = command["id"]
        if command["op"] == "run" and can_fork():
            forked(frames, command)
            continue
        watch_for_hang(frames, command["deadline"])
        if command["op"] == "import":
            answer(frames, lambda: import_one(command["name"]))  # noqa: B023 - runs at once
        else:
            answer(frames, lambda: run_probe(command))  # noqa: B023 - runs at once
        if not frames.ours:
            os._exit(0)
        stop_watching()
        if command["op"] == "run":
            frames.send(event="exited", exit_code=0)


def main() -> None:
    token, roots = sys.argv[1], json.loads(sys.argv[2])
    frames, commands = Frames(token), private_commands()
    faulthandler.enable(file=frames.errors, all_threads=True)
    # A script's folder comes first on sys.path; ours must not be seen by the patient.
    if sys.path and os.path.abspath(sys.path[0] or ".") == os.path.dirname(
        os.path.abspath(__file__)
    ):
        del sys.path[0]
    sys.argv = [""]
    sys.meta_path.insert(0, PackageFinder(roots))
    # Output of the doctor's own Ctrl-C handling is enough; children die by SIGKILL.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    frames.send(event="hello", interpreter=describe_interpreter())
    if sys.version_info < (3, 9):
        return
    serve(frames, commands)


if __name__ == "__main__":
    main()
