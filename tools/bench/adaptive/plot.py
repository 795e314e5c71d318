"""A run over time, as PNG by gnuplot: what is offered and sent, the ring, and stalls."""
from common import gnuplot

SCRIPT = """
set terminal pngcairo size 1000,760 background '#ffffff'
set output '{output}'
set multiplot layout 3,1
set lmargin 12
set xrange [0:{end}]
set grid ytics
unset key
{marks}
set logscale y
set ylabel 'Gbit/s'
set key bottom left
plot '{data}.rates' using 1:2 with points pt 7 ps 0.3 lc rgb '#aaaaaa' title 'offered (a stream: all that goes)', \
     '' using 1:3 with lines lw 1.5 lc rgb '#1f77b4' title 'sent'
unset key
unset label
set ylabel 'guest\\_tx ring, KiB'
set logscale y 2
set yrange [128:{most}]
plot '{data}.areas' using 1:2 with steps lw 2 lc rgb '#d62728'
unset logscale y
set yrange [0:*]
set ylabel 'stalls for room a second'
set xlabel 'seconds'
plot '{data}.rates' using 1:4 with impulses lc rgb '#555555'
unset multiplot
"""


def rows(run):
    """[(seconds, Gbit/s offered, sent, stalls a second)] and [(seconds, KiB of guest_tx)]."""
    begin = run["steps"][0]["begin_ns"]
    rates = []
    for before, after in zip(run["samples"], run["samples"][1:]):
        seconds = (after["at_ns"] - before["at_ns"]) / 1e9
        if seconds > 0:
            offered, sent, waits = (after[key] - before[key] for key in ("offered", "bytes", "waits"))
            rates.append(((after["at_ns"] - begin) / 1e9, offered * 8 / seconds / 1e9, sent * 8 / seconds / 1e9,
                          waits / seconds))
    return rates, [((area["at_ns"] - begin) / 1e9, area["guest_tx"] / 1024) for area in run["areas"]]


def script(run, names, data, output):
    begin = run["steps"][0]["begin_ns"]
    marks = []
    for name, step in zip(names, run["steps"]):
        at, end = ((step[key] - begin) / 1e9 for key in ("begin_ns", "end_ns"))
        marks.append(f"set arrow from {at}, graph 0 to {at}, graph 1 nohead dt 3 lc rgb '#888888'")
        marks.append(f"set label '{name}' at {(at + end) / 2}, graph 1.05 center")
    return SCRIPT.format(output=output, data=data, marks="\n".join(marks),
                         end=(run["steps"][-1]["end_ns"] - begin) / 1e9,
                         most=2 * max(area["guest_tx"] for area in run["areas"]) / 1024)


def plot(run, names, data, output):
    """Writes DATA.rates, DATA.areas and the PNG. False: there is no gnuplot, or it failed."""
    for suffix, lines in zip(("rates", "areas"), rows(run)):
        with open(f"{data}.{suffix}", "w", encoding="ascii") as file:
            file.writelines(" ".join(f"{value:.6g}" for value in line) + "\n" for line in lines)
    return gnuplot.draw(script(run, names, data, output))
