"""The emulated machine: one qemu process, and the sockets that lead into it."""
import os
import signal
import socket
import subprocess

# Why each feature is taken away is told in README.md.
CPU = "max,-smap,-xsave,-pku,-avx,-rdtscp,-erms,-fsrm"
CLOCKS = {
    "wall": ["-accel", "tcg,thread=multi"],
    "instructions": ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"],
}
# A console ring that holds all a run says: the tests read it (tests/xen/check.sh).
XEN = "console=com1 com1=115200,8n1 conring_size=1m dom0_mem=1500M,max:1500M loglvl=warning guest_loglvl=warning"
DOM0 = "console=hvc0 loglevel=4 net.ifnames=0 panic=1"


class Machine:
    def __init__(self, clock, processors, image, initramfs, payload, results, scratch, plugins=()):
        """`payload` is a tar that Dom0 reads from its second disk, `results` a file that becomes its third; `plugins`
        are qemu's own (FILE.so[,ARGUMENT=VALUE...])."""
        # Each of the three is one end of a pair whose other end qemu inherits: no address that could be taken.
        self.console, console = socket.socketpair()
        self.control, control = socket.socketpair()
        self.stream, stream = socket.socketpair()
        ends = {"console": console, "control": control, "stream": stream}
        command = ["qemu-system-x86_64", *CLOCKS[clock], "-cpu", CPU, "-machine", "q35", "-smp", str(processors), "-m", "3072",
                   "-display", "none", "-monitor", "none", "-no-reboot", "-net", "none",
                   "-kernel", str(image.xen), "-append", f"{XEN} dom0_max_vcpus={processors}", "-initrd", f"{image.kernel} {DOM0},{initramfs}",
                   *_disk("system", image.disk, "raw", "snapshot=on"), *_disk("payload", payload, "raw", "readonly=on"),
                   *_disk("results", results, "raw", "cache=unsafe"),
                   "-device", "virtio-serial-pci"]
        for name, end in ends.items():
            command += ["-chardev", f"socket,id={name},fd={end.fileno()}"]
        for plugin in plugins:
            command += ["-plugin", plugin]
        command += ["-serial", "chardev:console"]
        for name in ("control", "stream"):
            command += ["-device", f"virtserialport,chardev={name},name={name}"]
        self.log = scratch / "qemu.log"
        # setpriv: the kernel ends qemu when this process is gone, even by kill -9. An own session: Ctrl-C is for us,
        # who then end qemu when Dom0's logs have been fetched.
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=[end.fileno() for end in ends.values()], env={**os.environ, "TMPDIR": str(scratch)},
                start_new_session=True)
        for end in ends.values():
            end.close()

    def running(self):
        return self._process.poll() is None

    def wait(self, seconds):
        """True if the machine has been switched off by then."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self):
        if self.running():
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        for end in (self.console, self.control, self.stream):
            end.close()


def _disk(name, file, form, option):
    return ["-drive", f"file={file},if=none,id={name},format={form},{option}",
            "-device", f"virtio-blk-pci,drive={name},serial={name}"]
