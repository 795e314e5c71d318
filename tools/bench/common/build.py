"""What is measured is built first."""
import subprocess
import sys
from pathlib import Path

from .host import Failed

TOP = Path(__file__).resolve().parents[3]


def programs(targets):
    """Where they are."""
    for command in (["tools/setup", "build", "demo", "bench"], ["cmake", "--preset", "release"],
                    ["ninja", "-C", "build/release", *targets]):
        made = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
        if made.returncode:
            print("\n".join((made.stdout + made.stderr).splitlines()[-20:]), file=sys.stderr)
            raise Failed(f"{' '.join(command)} failed (above)")
    return TOP / "build/release/bin"
