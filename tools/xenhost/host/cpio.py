"""A writer of the "newc" cpio archives that Linux unpacks as its initramfs.

Written here because cpio(1) would want root for the device nodes. Archives may be concatenated: the kernel unpacks one
after the other, so a cached base and this run's own files need no repacking.
"""
import os
import stat


class Archive:
    def __init__(self, path):
        self._file = open(path, "wb")
        self._folders = set()
        self._number = 0

    def folder(self, name):
        name = name.strip("/")
        if not name or name in self._folders:
            return
        self.folder(os.path.dirname(name))
        self._folders.add(name)
        self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, source):
        """Copies the file `source` (links followed) to `name`, with its right to be executed."""
        with open(source, "rb") as opened:
            mode = 0o755 if os.fstat(opened.fileno()).st_mode & 0o111 else 0o644
            self.text(name, opened.read(), mode)

    def text(self, name, data, mode=0o644):
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFREG | mode, data)

    def link(self, name, target):
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, name, major, minor):
        self.folder(os.path.dirname(name))
        self._entry(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def close(self):
        self._entry("TRAILER!!!", 0)
        self._file.close()

    def _entry(self, name, mode, data=b"", device=(0, 0)):
        self._number += 1
        encoded = name.strip("/").encode() + b"\0"
        fields = (self._number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        self._file.write(_padded(header + encoded))
        self._file.write(_padded(data))


def _padded(data):
    return data + b"\0" * (-len(data) % 4)


def concatenate(path, parts):
    """The archives `parts` one after the other; each starts on the four-byte border that the kernel expects."""
    with open(path, "wb") as out:
        for part in parts:
            with open(part, "rb") as opened:
                out.write(_padded(opened.read()))
