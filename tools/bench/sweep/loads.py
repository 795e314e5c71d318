"""The loads of the sweep, and the modes in which each is carried. Pure."""
import math

MODES = ("event", "auto", "poll")
SATURATION = math.inf
# Packets a second, from idle to as many as go; three goals are at one of them.
FULL = (0, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, SATURATION)
QUICK = (0, 1_000, 10_000, 100_000, SATURATION)


def word(load):
    """As hush-load reads it."""
    return "max" if load == SATURATION else str(load)


def name(load):
    """For people."""
    return "idle" if load == 0 else "saturation" if load == SATURATION else f"{load:,}"


def turns(loads, modes, rounds):
    """[(round, load, mode)]: all modes of a load one after the other, so that they have the same machine, and each first in turn."""
    return [(number, load, modes[(place + number) % len(modes)]) for number in range(rounds) for load in loads
            for place in range(len(modes))]
