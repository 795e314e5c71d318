"""A plot by gnuplot."""
import subprocess


def draw(script):
    """False: there is no gnuplot, or it failed."""
    try:
        return subprocess.run(["gnuplot"], input=script, text=True, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
