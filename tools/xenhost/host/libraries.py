"""The shared libraries that a program loads, as its loader itself lists them."""
import subprocess
from pathlib import Path


def of(program, tree=None):
    """{soname: path}. Inside an unpacked `tree`, that tree's own loader and libraries are asked, not the machine's."""
    if tree is None:
        command = ["ldd", str(program)]
    else:
        command = in_tree(tree, "--list", program)
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    found = {}
    for line in result.stdout.splitlines():
        words = line.split()
        if "=>" in words and words[2].startswith("/"):
            found[Path(words[0]).name] = Path(words[2])
        elif words and words[0].startswith("/"):
            found[Path(words[0]).name] = Path(words[0])
        elif "not found" in line:
            raise FileNotFoundError(f"{program} needs {words[0]}, which is not installed")
    return found


def in_tree(tree, *arguments):
    """A command that runs a program of an unpacked tree where it lies, with the tree's own loader and libraries."""
    folders = [f"{tree}/usr/lib/x86_64-linux-gnu", f"{tree}/lib/x86_64-linux-gnu"]
    return [f"{tree}/lib64/ld-linux-x86-64.so.2", "--library-path", ":".join(folders), *map(str, arguments)]
