"""Runs users' scripts inside one environment, in forks of an interpreter that has imported torch.

Reads {"preload": [modules], "scripts": [{"path", "arguments", "folder", "within_s"}]} from standard
input, and writes a list of {"code", "output"}. What a script prints is what the interpreter would
print: output, warnings, and its traceback from the script's own first line. Standard library only,
Python 3.8.
"""

import contextlib
import importlib
import json
import os
import signal
import sys
import tempfile
import traceback


def run(script):
    """Exit code and everything printed."""
    with tempfile.TemporaryFile() as printed:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.dup2(printed.fileno(), 1)
                os.dup2(printed.fileno(), 2)
                signal.alarm(script["within_s"])
                code = execute(script)
            finally:
                os._exit(code)
        status = os.waitpid(child, 0)[1]
        printed.seek(0)
        output = printed.read().decode("utf-8", "replace")
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
    return {"code": code, "output": output}


def execute(script):
    """The script as ``__main__``."""
    os.chdir(script["folder"])
    sys.argv = [script["path"], *script["arguments"]]
    sys.path[0] = os.path.dirname(script["path"])
    try:
        with open(script["path"], encoding="utf-8") as source:
            program = compile(source.read(), script["path"], "exec")
        exec(program, {"__name__": "__main__", "__file__": script["path"]})
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    except BaseException as error:
        own = error.__traceback__.tb_next if error.__traceback__ else None
        traceback.print_exception(type(error), error, own)
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    wished = json.load(sys.stdin)
    for module in wished["preload"]:
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    answers = [run(script) for script in wished["scripts"]]
    json.dump(answers, sys.stdout)
