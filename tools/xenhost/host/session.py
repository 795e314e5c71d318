"""One run from power-on to power-off: what the machine says is passed on, kept and judged."""
import os
import re
import select
import signal
import sys
import tarfile
import time

from .say import Trouble, step

# What the console shows before Dom0 can speak for itself.
MILESTONES = ((rb"Xen version", "the hypervisor starts"), (rb"Serial input to DOM0", "Dom0's kernel starts"))
DIED = re.compile(rb"Panic on CPU|Kernel panic - not syncing|Dom0 crashed|Domain 0 crashed")
# What no program in a domain can do to the hypervisor, and the emulated processor now and then does (README.md).
EMULATOR_FAILED = re.compile(rb"DOUBLE FAULT")
TIMED_OUT = 124
LOST = 75


class Session:
    """`keys`, where there is one, is the descriptor that an interactive shell's keys come from."""

    def __init__(self, machine, out, boot_seconds, script_seconds, keys=None):
        self._machine = machine
        self._out = out
        self._boot_seconds = boot_seconds
        self._script_seconds = script_seconds
        self._keyboard = keys
        self._console_log = out / "console.log"
        self._status = None
        self._started = False
        self._stopping = None
        self._control_rest = b""
        self._milestones = list(MILESTONES)

    def run(self):
        """The script's exit status. Raises Trouble where there is none."""
        deadline = time.monotonic() + self._boot_seconds
        inputs = {self._machine.console: self._console, self._machine.control: self._control,
                  self._machine.stream: self._stream}
        if self._keyboard is not None:
            inputs[self._keyboard] = self._keys
        with open(self._console_log, "wb", buffering=0) as self._console_file:
            while self._machine.console in inputs:
                began = self._started
                for ready in select.select(list(inputs), [], [], 0.5)[0]:
                    if not inputs[ready]():
                        del inputs[ready]
                if self._started and not began:
                    deadline = time.monotonic() + self._script_seconds
                if self._stopping is None and time.monotonic() > deadline:
                    self._stop("the time is over" if self._started else None)
                elif self._stopping is not None and time.monotonic() > self._stopping:
                    break
        return self._judge()

    def interrupt(self, number):
        """Ctrl-C or a kill: Dom0 is asked for its logs and switched off; the second time nothing is waited for."""
        again = self._stopping is not None
        self._status = 128 + number
        self._stop(f"interrupted ({signal.Signals(number).name})", 0 if again or not self._started else 60)

    def _stop(self, reason, seconds=120):
        if reason is None:
            raise Trouble(f"Dom0 did not come up in {self._boot_seconds} s (--boot-timeout)", self._console_log)
        step(f"{reason}: stopping Dom0")
        if self._status is None:
            self._status = TIMED_OUT
        self._stopping = time.monotonic() + seconds
        try:
            self._machine.control.sendall(b"stop\n")
        except OSError:
            self._stopping = time.monotonic()

    def _judge(self):
        if self._status is None:
            what = "the machine went down under the script" if self._started else "the machine did not come up"
            console = self._console_log.read_bytes()
            raise Trouble(what, self._console_log if console else self._machine.log,
                          LOST if self._started and EMULATOR_FAILED.search(console) else 125)
        return self._status

    def _console(self):
        data = _receive(self._machine.console)
        self._console_file.write(data)
        for milestone in self._milestones[:]:
            if re.search(milestone[0], data):
                step(milestone[1])
                self._milestones.remove(milestone)
        if DIED.search(data):
            step(f"the hypervisor or Dom0's kernel died; see {self._console_log}")
        return bool(data)

    def _control(self):
        data = _receive(self._machine.control)
        *lines, self._control_rest = (self._control_rest + data).split(b"\n")
        for line in lines:
            word, _, rest = line.decode(errors="replace").partition(" ")
            if word == "step":
                step(rest)
            elif word == "started":
                self._started = True
                step("the script starts")
            elif word == "status" and self._status is None:
                self._status = int(rest)
                self._stopping = time.monotonic() + 120
        return bool(data)

    def _stream(self):
        data = _receive(self._machine.stream)
        os.write(sys.stdout.fileno(), data)
        return bool(data)

    def _keys(self):
        data = os.read(self._keyboard, 4096)
        # The end of the keys (a pipe's end, a closed terminal) is what Ctrl-D says to the shell.
        self._machine.stream.sendall(data or b"\x04")
        return bool(data)


def _receive(end):
    try:
        return end.recv(65536)
    except ConnectionResetError:
        return b""


def fetch_results(disk, out):
    """Unpacks what Dom0 wrote to its third disk. False where it wrote nothing."""
    try:
        # "r:": only a plain tar. Trying compressions on an empty disk would read all of it several times.
        with tarfile.open(disk, "r:") as tar:
            members = tar.getmembers()
            tar.extractall(out, members, filter="data")
    except (tarfile.TarError, EOFError):
        return False
    return bool(members)
