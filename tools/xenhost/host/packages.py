"""Debian packages: which are needed, downloaded into the cache, unpacked into a folder. Nothing is ever installed."""
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .say import Trouble, step

# The packages' files, in its folder "packages", and the images that were built of them.
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hushring/xenhost"
# What Dom0 is made of. apt adds what these depend on.
DOM0 = """xen-hypervisor-4.17-amd64 linux-image-amd64 xen-utils-4.17 xenstore-utils base-passwd bash dash coreutils
          util-linux bsdutils mount libc-bin hostname ncurses-base diffutils tar gzip grep sed mawk findutils procps
          kmod udev less iproute2 iputils-ping iperf3 ethtool tcpdump socat strace jq busybox-static libstdc++6""".split()


@dataclass(frozen=True)
class Package:
    name: str
    version: str

    @property
    def pattern(self):
        """How apt-get names the file that it downloads."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_*.deb"


def resolve(names):
    """The names and all that they depend on, as apt would install them on an empty machine."""
    with tempfile.NamedTemporaryFile() as nothing_installed:
        command = ["--simulate", "-o", f"Dir::State::status={nothing_installed.name}",
                   "--no-install-recommends", "install", *names]
        result = _apt_get(*command)
        if result.returncode and os.geteuid() == 0:
            step("apt does not know the packages; updating its lists")
            _apt_get("update")
            result = _apt_get(*command)
    if result.returncode:
        raise Trouble(f"apt cannot tell what Dom0's packages are ({_last(result.stderr)}); "
                      "run 'apt-get update' as root, then this again")
    found = []
    for line in result.stdout.splitlines():
        words = line.split()
        if words and words[0] == "Inst":
            found.append(Package(words[1], words[2].lstrip("(")))
    return sorted(found, key=lambda package: package.name)


def download(packages, folder):
    """The paths of the packages' files in `folder`; only those that are not there yet are downloaded."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [package for package in packages if not any(folder.glob(package.pattern))]
    if missing:
        step(f"downloading {len(missing)} packages")
        result = _apt_get("-q", "-o", "APT::Sandbox::User=root", "download",
                          *(f"{package.name}={package.version}" for package in missing), folder=folder)
        if result.returncode:
            raise Trouble(f"apt-get download failed ({_last(result.stderr)}); check the network, "
                          "or run 'apt-get update' as root, then this again")
    return [next(folder.glob(package.pattern)) for package in packages]


def _apt_get(*arguments, folder=None):
    return subprocess.run(["apt-get", *arguments], cwd=folder, capture_output=True, text=True, check=False,
                          env={**os.environ, "LC_ALL": "C"})


def _last(text):
    return (text.strip().splitlines() or ["no message"])[-1]


def unpack(files, tree):
    """All files' contents into `tree`, which gets Debian's merged /usr first."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (tree / "usr" / name).mkdir(parents=True)
        (tree / name).symlink_to(f"usr/{name}")
    for number, file in enumerate(files):
        if number % 40 == 0:
            step(f"unpacking packages ({number} of {len(files)})")
        _extract(file, tree)


def _extract(file, tree):
    """As dpkg -x, which would replace the links of the merged /usr by folders."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", file], stdout=subprocess.PIPE) as contents:
        subprocess.run(["tar", "-x", "-C", tree, "--keep-directory-symlink", "--no-same-owner"],
                       stdin=contents.stdout, check=True)
    if contents.returncode:
        file.unlink()
        raise Trouble(f"{file.name} was damaged and has been removed from the cache; run this again")
