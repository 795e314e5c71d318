"""One run: the load in a guest, and hush-backd looked at meanwhile."""
import contextlib
import json
import threading
import time

from .host import Failed, host

LOOK_EACH = 0.025  # seconds
PATIENCE = 60  # seconds, for all that a run does beside its traffic
# So that the longest rings that are compared fit in: twice 32 MiB and a page, in KiB.
AREA_LIMIT = 65604


def run(lab, contender, steps, seconds, log):
    """{"contender", "steps": the program's lines, "samples": the same, "areas": what hush-backd was seen to use,
    "sender": the program's account}. Raises Failed where a frame was lost, doubled or changed."""
    with host(lab.programs, lab.cpus[0], 1, log) as there:
        for key, value in settings(lab, contender).items():
            there.do("set", f"default/{key}", value)
        there.do("attach", 1)
        words = [lab.programs / "hush-steps", "--cpu", lab.cpus[1], "--ring", contender.first_kib,
                 *(["--echo"] if lab.echo else []), *(word for step in steps for word in step.words(seconds))]
        with load(there, 1, words, log) as sends:
            areas = watch(there, sends, len(steps) * seconds + PATIENCE)
            lines = sends.lines
            judge(lines[-1], there.queue(), lab.echo)
    by_role = {role: [line for line in lines if line["role"] == role] for role in ("sample", "step")}
    return {"contender": contender.name, "steps": by_role["step"], "samples": by_role["sample"], "areas": areas,
            "sender": lines[-1]}


def settings(lab, contender):
    found = {"port": "echo" if lab.echo else "sink", "area-limit": AREA_LIMIT, "area-shrink-after": lab.shrink_after,
             "area-cooldown": lab.cooldown}
    if contender.kib:
        found |= {"area-tx": contender.kib, "area-rx": contender.kib}
    return found


def watch(there, sends, patience):
    """[{"at_ns", "generation", "guest_tx", "guest_rx"}], rings in bytes, until the load has ended."""
    deadline = time.monotonic() + patience
    seen = []
    while not sends.has_ended():
        if time.monotonic() > deadline:
            raise Failed("the load did not end in time")
        at, queue = time.monotonic_ns(), there.queue()
        if queue:
            seen.append({"at_ns": at, "generation": queue["area"]["generation"],
                         **{ring: queue[ring]["ring_bytes"] for ring in ("guest_tx", "guest_rx")}})
        time.sleep(LOOK_EACH)
    return seen


def judge(sender, queue, echo):
    """Was all that was sent read, once and whole? An echo shows the order too."""
    if sender["connects"] != 1:
        raise Failed("the connection was lost")
    if echo and (sender["echo"] != sender["frames"] or sender["wrong"]):
        raise Failed(f"of {sender['frames']} frames {sender['echo']} came back, {sender['wrong']} of them wrong")
    if not echo and (queue is None or queue["port_sum"] != sender["sum"]):
        raise Failed("what the sink has read is not what was sent")


class Load:
    """A running hush-steps, and the lines that it has printed."""

    def __init__(self, process):
        self.process = process
        self.lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def has_ended(self):
        if self.lines and self.lines[-1]["role"] == "sender":
            return True
        if self.process.poll() is not None:
            raise Failed(f"hush-steps ended with status {self.process.returncode}")
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


@contextlib.contextmanager
def load(there, domain, words, log):
    found = Load(there.start(domain, words, log))
    try:
        yield found
    finally:
        found.end()
