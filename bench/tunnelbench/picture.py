# SPDX-License-Identifier: MIT
"""A record's picture: a panel of bars for each of the figures that matter most, as SVG.

The same record gives the same bytes. A panel's bars begin at zero and its scale is its own.
"""
from xml.sax.saxutils import escape

from . import pair as pairs
from . import report

# act, figure, veth, caption, unit, factor, digits, is more better
PANELS = [
    ("tcp1", "gbit_s", pairs.AS_IS, "One TCP stream", "Gbit/s", 1, 2, True),
    ("tcp1", "gbit_s", pairs.SEGMENTED, "One TCP stream, datagrams one by one", "Gbit/s", 1, 2, True),
    ("udp64", "packets_s", pairs.AS_IS, "UDP of 64 bytes, best received", "thousand/s", 1e-3, 0, True),
    ("udp64", "packets_s", pairs.SEGMENTED, "UDP of 64 bytes, datagrams one by one", "thousand/s",
     1e-3, 0, True),
    ("tcp1", "cpu_s_per_gbit", pairs.AS_IS, "CPU of both ends, one TCP stream", "seconds/Gbit", 1, 2,
     False),
    ("ping", "p99_ms", pairs.AS_IS, "Ping under load, 99th percentile", "ms", 1, 1, False),
    ("memory", "many_peers_bytes", None, "Resident, {peers} idle peers", "MiB", 2**-20, 0, False),
    ("memory", "setconf_s", None, "wg setconf of {peers} peers", "s", 1, 2, False),
    ("handshakes", "per_second", None, "Handshakes as responder", "1/s", 1, 0, True),
    ("start", "seconds", None, "Start until the socket accepts", "ms", 1e3, 1, False),
]
# Beside the bare wire no tunnel could be told from another; the variants are for the tables.
LEFT_OUT = ("bare", "shunt-wg-inline", "shunt-wg-worker")
COLUMNS = 2
WIDTH, BAR, GAP, LABEL, VALUE, TITLE, MARGIN = 470, 16, 5, 128, 62, 40, 16
COLOURS = {"ours": "#1b6e53", "peer": "#8a94a0", "yardstick": "#d5dae0"}


def text(x, y, words, size=12, anchor="start", more=""):
    return (f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}"{more}>'
            f"{escape(words)}</text>")


def bars(record, panel):
    """[(name, role, value or None)] of those that were measured."""
    act, key, veth = panel[:3]
    found = []
    for i in record["implementations"]:
        if i["name"] not in LEFT_OUT and report.of(record, i["name"], veth, act, key):
            value = report.median(record, i["name"], veth, act, key)
            if value is not None or i["role"] != "yardstick":
                found.append((i["name"], i["role"], value))
    return found


def draw_panel(record, panel, x, y):
    _, _, _, caption, unit, factor, digits, more_is_better = panel
    rows = bars(record, panel)
    top = max([v for _, _, v in rows if v is not None], default=0) or 1
    room = WIDTH - LABEL - VALUE - 2 * MARGIN
    caption = caption.format(peers=f"{record['options']['peers']:,}")
    better = "more is better" if more_is_better else "less is better"
    out = [text(x, y + 14, caption, 13, more=' font-weight="bold"'),
           text(x, y + 29, f"{unit}, {better}", 11, more=' fill="#59636e"')]
    for n, (name, role, value) in enumerate(rows):
        at = y + TITLE + n * (BAR + GAP)
        out.append(text(x + LABEL - 8, at + 12, name, 12, "end"))
        length = 0 if value is None else room * value / top
        out.append(f'<rect x="{x + LABEL}" y="{at}" width="{length:.1f}" height="{BAR}" '
                   f'fill="{COLOURS[role]}"/>')
        words = "failed" if value is None else f"{value * factor:,.{digits}f}"
        out.append(text(x + LABEL + length + 5, at + 12, words))
    return out, TITLE + len(rows) * (BAR + GAP)


def draw(record):
    body, y = [], 62
    panels = [p for p in PANELS if bars(record, p)]
    for first in range(0, len(panels), COLUMNS):
        tallest = 0
        for n, panel in enumerate(panels[first:first + COLUMNS]):
            drawn, height = draw_panel(record, panel, MARGIN + n * WIDTH, y)
            body += drawn
            tallest = max(tallest, height)
        y += tallest + 22
    m = record["machine"]
    width = COLUMNS * WIDTH + MARGIN
    words = (f"{m['cpu']}, {m['cores']} cores for both ends and the load, Linux {m['kernel']}; "
             f"medians of {record['options']['rounds']} interleaved rounds")
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" '
        f'viewBox="0 0 {width} {y}" font-family="sans-serif" fill="#1f2328">',
        f'<rect width="{width}" height="{y}" fill="#ffffff"/>',
        text(MARGIN, 26, "Userspace WireGuards between two namespaces", 17,
             more=' font-weight="bold"'),
        text(MARGIN, 46, words, 12, more=' fill="#59636e"'),
        *body, "</svg>"])
