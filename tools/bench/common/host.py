"""The simulated host that runs happen on (live_host), and what its hush-backd says."""
import contextlib
import json
import os
import socket
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "live_host"


class Failed(Exception):
    """One line on what does not work."""


class Host:
    def __init__(self, process, programs, backd, control, directory):
        self._process = process
        self.backd = backd  # the process
        self.programs = programs
        self._control = control
        self._directory = directory

    def do(self, *words):
        """set PATH VALUE, attach N or detach N."""
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        if self._process.stdout.readline().strip() != "done":
            raise Failed(f"{' '.join(map(str, words))} failed")

    def ask(self, **request):
        """hush-backd's answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(self._control)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile() as answer:
                return json.loads(answer.readline())

    def queue(self, domain=1):
        """What `show` says of the only queue of the domain's vif; None: not connected."""
        queues = self.ask(command="show", vif=f"vif{domain}.0")["vif"]["queues"]
        return queues[0] if queues and "area" in queues[0] else None

    def mapped_pages(self):
        """That Dom0 has mapped of all guests: simxen's count, not hush-backd's."""
        said = subprocess.run([self.programs / "simxen", "list", "--json"], env=self._environment(), text=True,
                              capture_output=True, check=True)
        return sum(found["pages"] for found in json.loads(said.stdout)["maps"])

    def start(self, domain, words, log):
        """A program in the domain."""
        return subprocess.Popen([self.programs / "simxen", "run", "--domain", str(domain), "--",
                                 *(str(word) for word in words)], env=self._environment(), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=log, text=True)

    def _environment(self):
        return os.environ | {"SIMXEN_DIR": self._directory}


@contextlib.contextmanager
def host(tag, programs, cpu, domains, log):
    """A Host. `tag`: no two have the same at the same time. `log`: an open file, for what goes on in it."""
    process = subprocess.Popen([SCRIPT, tag, programs.resolve(), str(cpu), str(domains)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        said = process.stdout.readline().split()
        if said[:1] != ["ready"]:
            raise Failed(f"the simulated host could not be set up; see {log.name}")
        yield Host(process, programs, int(said[1]), said[2], said[3])
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
