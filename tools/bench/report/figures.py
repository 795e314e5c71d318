"""From what one measurement of a row left (dom0/rows.sh, the counter) to its figures. Pure."""
DOM0_PARTS = ("Dom0 kernel", "hush-backd", "Dom0 programs")

# name: (what it is, digits behind the point)
TITLES = {
    "mbit_per_second": ("Mbit/s", 0),
    "packets_per_second": ("packets/s delivered", 0),
    "milliseconds": ("ms, average", 4),
    "frames_per_second": ("frames/s", 0),
    "microseconds": ("us, median", 1),
    "events": ("events a packet", 3),
    "events_to_guest": ("events a packet, to the guest", 3),
    "events_to_dom0": ("events a packet, to Dom0", 3),
    "hypercalls": ("hypercalls a packet", 2),
    "grant_hypercalls": ("grant-table hypercalls a packet", 3),
    "event_hypercalls": ("event-channel hypercalls a packet", 3),
    "dom0_ms_per_gigabit": ("ms of Dom0 a gigabit", 1),
    "hypervisor_ms_per_gigabit": ("ms of the hypervisor a gigabit", 1),
    "instructions_per_packet": ("instructions a packet, all parts", 0),
}


def figures(row, result, hypercalls, profile):
    """{name: number} of a row's result, the hypercalls in its window and the window's profile."""
    found = {row.figure: _own_figure(row, result["traffic"])}
    if "before" in result:
        found |= _events(result["before"], result["after"])
    crossed = packets(result["window"])
    if crossed:
        found |= {name: count / crossed for name, count in hypercalls.items()}
        found["instructions_per_packet"] = profile.total() / crossed
    gigabits = megabytes(result["window"]) * 8 / 1e3
    if gigabits and row.figure not in ("milliseconds", "microseconds"):
        dom0 = sum(profile.total(part) for part in DOM0_PARTS)
        found["dom0_ms_per_gigabit"] = dom0 / 1e6 / gigabits
        found["hypervisor_ms_per_gigabit"] = profile.total("hypervisor") / 1e6 / gigabits
    return found


def packets(window):
    """How many crossed the vif in the window, both ways."""
    return _total(window, "packets")


def megabytes(window):
    """What crossed the vif in the window, both ways."""
    return _total(window, "bytes") / 1e6


def _total(window, what):
    return sum(count for file, count in window["files"].items() if file.endswith(what))


def _own_figure(row, traffic):
    if row.figure == "mbit_per_second":
        return traffic["end"]["sum_received"]["bits_per_second"] / 1e6
    if row.figure == "packets_per_second" and "end" in traffic:
        received = traffic["end"]["sum_received"]  # its "packets" counts the lost ones too
        return (received["packets"] - received["lost_packets"]) / received["seconds"]
    return traffic[row.figure]


def _events(before, after):
    def grown(side, counter):
        return after[side][counter] - before[side][counter]
    crossed = grown("guest", "tx_packets") + grown("guest", "rx_packets")
    if not crossed:
        return {}
    to_guest = grown("guest", "interrupts") / crossed
    to_dom0 = grown("dom0", "interrupts") / crossed
    return {"events": to_guest + to_dom0, "events_to_guest": to_guest, "events_to_dom0": to_dom0}


def hypercalls(blocks, xen):
    """How often a window's blocks entered the hypervisor's handlers; `xen` is its symbol table. A multicall is one."""
    def entries(*names):
        places = {xen.address(name) for name in names}
        return sum(block.entries for block in blocks if block.vaddr in places)
    return {"hypercalls": entries("pv_hypercall", "hvm_hypercall"),
            "grant_hypercalls": entries("do_grant_table_op"),
            "event_hypercalls": entries("do_event_channel_op", "do_event_channel_op_compat")}
