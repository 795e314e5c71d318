"""Progress and trouble, told to the person at the terminal: always on stderr, so that stdout is the script's alone."""
import sys
import time

_started = time.monotonic()


class Trouble(Exception):
    """Something that the user can act on; printed as one line (and a log's tail), never as a traceback."""

    def __init__(self, message, log=None, status=125):
        super().__init__(message)
        self.log = log
        self.status = status


def step(text):
    print(f"xenhost: {time.monotonic() - _started:6.1f} s  {text}", file=sys.stderr, flush=True)


def trouble(error, lines=25):
    if error.log is not None and error.log.exists():
        tail = error.log.read_text(errors="replace").splitlines()[-lines:]
        print(f"--- the last lines of {error.log}", file=sys.stderr)
        print("\n".join(tail), file=sys.stderr)
        print("---", file=sys.stderr)
    print(f"xenhost: {error}", file=sys.stderr, flush=True)
