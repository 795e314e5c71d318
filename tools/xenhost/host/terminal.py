"""The terminal of the interactive shell: keys go to Dom0 as they are pressed, Ctrl-C too."""
import contextlib
import sys
import termios
import tty


@contextlib.contextmanager
def raw(wanted):
    """While in it, the terminal passes every key on. Nothing where it is not wanted or stdin is no terminal."""
    if not wanted or not sys.stdin.isatty():
        yield
        return
    saved = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    # Lines that we print ourselves still begin at the left.
    changed = termios.tcgetattr(sys.stdin)
    changed[1] |= termios.OPOST
    termios.tcsetattr(sys.stdin, termios.TCSADRAIN, changed)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)
