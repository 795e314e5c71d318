"""A program of ours in a guest, which prints JSON lines."""
import contextlib
import json
import queue
import threading
import time

from .host import Failed


class Load:
    """A running program, and the lines that it has printed."""

    def __init__(self, process, name):
        self.process = process
        self.name = name
        self.lines = []
        self._answers = queue.SimpleQueue()  # the lines once more, and None where there will be none
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))
            self._answers.put(self.lines[-1])
        self._answers.put(None)

    def ask(self, words, seconds):
        """Its answer to a line of these words."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
        return self.answer(seconds)

    def answer(self, seconds):
        """Its next line that was not asked for before."""
        try:
            said = self._answers.get(timeout=seconds)
        except queue.Empty:
            raise Failed(f"{self.name} did not answer in {seconds:g} s") from None
        if said is None:
            raise Failed(f"{self.name} ended with status {self.process.wait()}")
        return said

    def has_ended(self):
        if self.lines and self.lines[-1]["role"] == "sender":
            return True
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended with status {self.process.returncode}")
        return False

    def end(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()
            self._reader.join()
            self.process.stdout.close()


def until_ended(loads, seconds):
    """Yields until all of them have ended. Raises Failed where that takes longer."""
    deadline = time.monotonic() + seconds
    while not all(one.has_ended() for one in loads):
        if time.monotonic() > deadline:
            raise Failed("the load did not end in time")
        yield


@contextlib.contextmanager
def load(there, domain, words, log):
    found = Load(there.start(domain, words, log), words[0].name)
    try:
        yield found
    finally:
        found.end()
