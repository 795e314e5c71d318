"""CPU, latency and notifications over the load, a line a mode, as PNG by gnuplot."""
from common import gnuplot

# Where what is zero stands on axes without one.
IDLE = 200  # packets a second
NONE = 1e-6  # notifications a packet
COLOURS = {"event": "#d62728", "auto": "#1f77b4", "poll": "#2ca02c"}

SCRIPT = """
set terminal pngcairo size 1000,1100 background '#ffffff'
set output '{output}'
set multiplot layout 3,1
set lmargin 12
set logscale x
set xrange [{idle}:2e8]
set xtics ('idle' {idle}, '1,000' 1e3, '10,000' 1e4, '100,000' 1e5, '1,000,000' 1e6, '10,000,000' 1e7, '100,000,000' 1e8)
set grid xtics ytics
set key center left
set ylabel 'CPU: processors, both ends'
set yrange [0:2.1]
plot {cpu}
unset key
set ylabel 'round trip, us (p99: dashed)'
set logscale y
set format y '%g'
set yrange [*:*]
plot {latency}
set ylabel 'notifications a packet (bottom: 0)'
set yrange [{none}:4]
set xlabel 'packets a second that came back, the last ones at saturation'
plot {events}
unset multiplot
"""


def rows(points, mode):
    """[(packets a second, processors, p50, p99, notifications a packet)]; None: there is none."""
    return [(max(point["packets"], IDLE), sum(point["cpu"].values()), point["p50_us"], point["p99_us"],
             None if None in point["events_a_packet"].values() else max(sum(point["events_a_packet"].values()), NONE))
            for point in points if point["mode"] == mode]


def script(modes, data, output):
    def lines(column, title, dash=1):
        return [f"'{data}.{mode}' using 1:{column} with linespoints lw 2 pt 7 ps 0.7 dt {dash} lc rgb '{COLOURS[mode]}' "
                + (f"title '{mode}'" if title else "notitle") for mode in modes]
    return SCRIPT.format(output=output, idle=IDLE, none=NONE, cpu=", ".join(lines(2, True)),
                         latency=", ".join(lines(3, True) + lines(4, False, 2)), events=", ".join(lines(5, True)))


def plot(points, modes, data, output):
    """Writes DATA.MODE and the PNG. False: there is no gnuplot, or it failed."""
    for mode in modes:
        with open(f"{data}.{mode}", "w", encoding="ascii") as file:
            file.writelines(" ".join("?" if value is None else f"{value:.6g}" for value in line) + "\n"
                            for line in rows(points, mode))
    return gnuplot.draw("set datafile missing '?'\n" + script(modes, data, output))
