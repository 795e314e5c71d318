"""Names of addresses: of the hypervisor, a kernel, a program with its libraries."""
import bisect
import re
import subprocess
from pathlib import Path


class Table:
    """Sorted addresses with names; an address belongs to the last name that is not after it."""

    def __init__(self, pairs):
        ordered = sorted(pairs)
        self._addresses = [address for address, _ in ordered]
        self._names = [name for _, name in ordered]

    def name(self, address):
        at = bisect.bisect_right(self._addresses, address) - 1
        return self._names[at] if at >= 0 else hex(address)

    def address(self, name):
        """Where `name` begins; None where there is none."""
        return self._addresses[self._names.index(name)] if name in self._names else None


def _lines(text):
    """Of nm's output, of /proc/kallsyms and of xen-syms.map: address, type, name."""
    for line in text.splitlines():
        words = line.split(maxsplit=2)
        if len(words) == 3 and words[1] in "tTwWiV":
            yield int(words[0], 16), words[2].split("#")[-1].replace("\t", " ")


def hypervisor(path):
    return Table(_lines(path.read_text(encoding="ascii")))


def kernel(*paths):
    """The kernel's own symbols and its modules'; the same name for what has several."""
    return Table(pair for path in paths for pair in _lines(path.read_text(encoding="ascii")))


class Program:
    """A process by its /proc/PID/maps: the executable's symbols from `executable`, the libraries' from `libraries`."""

    def __init__(self, maps, executable, libraries):
        self._ranges = []  # begin, end, begin of the file's image, file's name
        images = {}
        for begin, end, offset, name in _mappings(maps.read_text(encoding="ascii")):
            images.setdefault(name, begin - offset)
            self._ranges.append((begin, end, images[name], name))
        self._executable = Path(executable)
        self._libraries = Path(libraries)
        self._tables = {}

    def name(self, address):
        """None where the address is none of this process."""
        for begin, end, image, name in self._ranges:
            if begin <= address < end:
                return self._named(address - image, name)
        return None

    def _named(self, offset, name):
        base = Path(name).name
        if not name.startswith("/"):
            return name or "[anonymous]"
        if base not in self._tables:
            own = base == self._executable.name
            self._tables[base] = Table(_lines(_nm(self._executable, "-C") if own
                                              else _nm(self._libraries / base, "-D", "--defined-only")))
        found = self._tables[base].name(offset)
        return _short(found) if base == self._executable.name else f"{found} [{base}]"


def _mappings(text):
    for line in text.splitlines():
        words = line.split(maxsplit=5)
        begin, end = (int(word, 16) for word in words[0].split("-"))
        yield begin, end, int(words[2], 16), words[5] if len(words) > 5 else ""


def _nm(path, *options):
    return subprocess.run(["nm", *options, path], capture_output=True, text=True, check=False).stdout


def _short(name):
    """A C++ name without its arguments' types."""
    name = re.sub(r"\(anonymous namespace\)::|hush::", "", name)
    depth, kept = 0, []
    for letter in name:
        depth += letter in "<("
        if depth == 0:
            kept.append(letter)
        depth -= letter in ">)"
    return "".join(kept).split(" const")[0].split(" [clone")[0]
