"""Runs the two processes of one run, and ends them whatever happens."""
import contextlib
import json
import subprocess
import threading
import time

PATIENCE = 60  # seconds, for all that a run does beside its traffic


class Failed(Exception):
    """One line on why there is no figure."""


def run(commands, seconds, log):
    """[the last JSON line of each command]; of the one that measures, that is its figure. `log`: the file that their
    stderr is added to."""
    deadline = time.monotonic() + PATIENCE + seconds
    with contextlib.ExitStack() as stack:
        stderr = stack.enter_context(open(log, "ab"))
        ends = []
        for command in commands:
            end = _End(command, stderr)
            stack.callback(end.kill)
            ends.append(end)
            if command.there:
                _until(command.there.exists, ends, deadline, f"{command.there.name} did not appear")
        _until(lambda: all(end.lines for end in ends if end.command.measures), ends, deadline, "no figure in time")
        for end in ends:
            end.process.terminate()
        # Only when none touches its peer any more may the first one go.
        _until(lambda: not any(end.reader.is_alive() for end in ends), ends, deadline, "an end did not stop")
        for end in ends:
            end.process.stdin.close()
        _until(lambda: all(end.process.poll() == 0 for end in ends), ends, deadline, "an end did not leave")
        if not all(end.lines for end in ends):
            raise Failed("an end said nothing")
        return [end.lines[-1] for end in ends]


class _End:
    """A process, and the JSON lines that it has printed."""

    def __init__(self, command, stderr):
        self.command = command
        self.name = f"{command.words[0].rpartition('/')[2]} {command.words[1]}"
        self.lines = []
        self._said = stderr.name, stderr.tell()
        self.process = subprocess.Popen(command.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
                                        pass_fds=command.files, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with contextlib.suppress(ValueError):
                self.lines.append(json.loads(line))

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.reader.join()
        self.process.stdout.close()

    def trouble(self):
        """Why it ended before its time, in a line."""
        name, begin = self._said
        with open(name, "rb") as log:
            log.seek(begin)
            said = log.read().decode(errors="replace").strip()
        return said.splitlines()[-1] if said else f"{self.name} ended with status {self.process.returncode}"


def _until(done, ends, deadline, otherwise):
    while not done():
        for end in ends:
            if end.process.poll() not in (None, 0):
                raise Failed(end.trouble())
        if time.monotonic() > deadline:
            raise Failed(otherwise)
        time.sleep(0.01)
