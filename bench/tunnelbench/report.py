# SPDX-License-Identifier: MIT
"""A run's record, and its table.

A record is what goes to JSON: the machine, the options, the versions, and one entry per act done, in
the order of doing. All that is told is computed from it, so that a table or a picture can be made
anew from the file.
"""
import shutil
import statistics
import subprocess

import machine as machine_of

from . import pair as pairs

DISTURBED = 0.1  # of a core

# act, figure, what a person calls it, unit, factor, digits, is more better
PAIR_ROWS = [
    ("tcp1", "gbit_s", "one TCP stream", "Gbit/s", 1, 2, True),
    ("tcp8", "gbit_s", "eight TCP streams", "Gbit/s", 1, 2, True),
    ("udp64", "packets_s", "UDP, 64 bytes, best received", "k/s", 1e-3, 1, True),
    ("udp1400", "packets_s", "UDP, 1,400 bytes, best received", "k/s", 1e-3, 1, True),
    ("seal", "gbit_s", "one direction of one end", "Gbit/s", 1, 2, True),
    ("seal", "cpu_s_per_gbit", "CPU of that end", "s/Gbit", 1, 3, False),
    ("ping", "median_ms", "ping under load, median", "ms", 1, 2, False),
    ("ping", "p99_ms", "ping under load, p99", "ms", 1, 2, False),
    ("tcp1", "cpu_s_per_gbit", "CPU of both ends, one stream", "s/Gbit", 1, 3, False),
    ("tcp8", "cpu_s_per_gbit", "CPU of both ends, eight streams", "s/Gbit", 1, 3, False),
    ("tcp1", "machine_cpu_s_per_gbit", "CPU of the machine, one stream", "s/Gbit", 1, 3, False),
    ("tcp8", "resident_bytes", "resident after eight streams", "MiB", 2**-20, 1, False),
]
END_ROWS = [
    ("start", "seconds", "start until the socket accepts", "ms", 1e3, 1, False),
    ("memory", "one_peer_bytes", "resident, 1 peer", "MiB", 2**-20, 1, False),
    ("memory", "many_peers_bytes", "resident, {peers} peers", "MiB", 2**-20, 1, False),
    ("memory", "bytes_per_peer", "resident per peer", "bytes", 1, 0, False),
    ("memory", "setconf_s", "wg setconf, {peers} peers", "s", 1, 2, False),
    ("handshakes", "per_second", "handshakes as responder", "1/s", 1, 0, True),
    ("handshakes", "cpu_ms_each", "CPU per handshake", "ms", 1, 3, False),
    ("handshakes", "sessions_bytes", "resident, {peers} sessions", "MiB", 2**-20, 1, False),
]


def version(argv):
    try:
        text = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return "not there"
    return text.splitlines()[0].strip() if text else "unknown"


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        flags = next((line.split() for line in info if line.startswith("flags")), [])
    return {
        **machine_of.machine(),
        "vector": [f for f in ("avx2", "avx512f", "vaes") if f in flags],
        "iperf3": version(["iperf3", "--version"]), "wg": version(["wg", "--version"]),
        "go": version(["go", "version"]) if shutil.which("go") else "not there",
    }


def of(record, name, veth, act, key):
    """All rounds' values of one figure; None stands for a failed one."""
    return [entry.get("figures", {}).get(key) for entry in record["results"]
            if (entry["implementation"], entry["veth"], entry["act"]) == (name, veth, act)]


def median(record, name, veth, act, key):
    """None: not measured, or failed as often as not."""
    values = of(record, name, veth, act, key)
    good = [v for v in values if v is not None]
    return statistics.median(good) if len(good) * 2 > len(values) else None


def cell(record, name, veth, row):
    act, key, _, _, factor, digits, _ = row
    values = of(record, name, veth, act, key)
    role = next(i["role"] for i in record["implementations"] if i["name"] == name)
    done = any(e["act"] == act and e["veth"] == veth and e["implementation"] == name
               for e in record["results"])
    failed = sum(1 for e in record["results"] if "failed" in e and
                 (e["implementation"], e["veth"], e["act"]) == (name, veth, act))
    value = median(record, name, veth, act, key)
    if value is None:
        return "failed" if failed else "-" if role == "yardstick" or not done else "?"
    text = f"{value * factor:,.{digits}f}"
    return f"{text} ({failed} of {len(values)} failed)" if failed else text


def against_best(record, veth, row):
    """(what ours is of the best peer's, whose that is); None without both."""
    act, key, _, _, _, _, more_is_better = row
    mine = median(record, "shunt-wg", veth, act, key)
    peers = [(median(record, i["name"], veth, act, key), i["name"])
             for i in record["implementations"] if i["role"] == "peer"]
    peers = [p for p in peers if p[0] is not None]
    if mine is None or not peers:
        return None
    best, name = (max if more_is_better else min)(peers)
    return (mine / best, name) if best else None


def against_copy(record, veth, row):
    """What ours is of the same path with the AEAD replaced by a copy, or None."""
    mine, copy = (median(record, name, veth, row[0], row[1])
                  for name in ("shunt-wg", "shunt-wg-copy"))
    return mine / copy if mine is not None and copy else None


def tables(record):
    """[(caption, header, rows)], all text."""
    names = [i["name"] for i in record["implementations"]]
    peers = f"{record['options']['peers']:,}"
    out = []
    for caption, veth, rows in (("veth as it is", pairs.AS_IS, PAIR_ROWS),
                                ("veth with gso_max_segs 1", pairs.SEGMENTED, PAIR_ROWS),
                                ("one end alone", None, END_ROWS)):
        body = []
        for row in rows:
            cells = [cell(record, name, veth, row) for name in names]
            if all(c == "-" for c in cells):
                continue
            best, copy = against_best(record, veth, row), against_copy(record, veth, row)
            body.append([f"{row[2].format(peers=peers)}, {row[3]}", *cells,
                         f"{best[0]:.2f} of {best[1]}" if best else "-",
                         f"{copy:.2f}" if copy else "-"])
        if body:
            out.append((caption, ["", *names, "ours / best peer", "ours / copy"], body))
    return out


def heading(record):
    m = record["machine"]
    vector = f" ({', '.join(m['vector'])})" if m["vector"] else ""
    lines = [f"{m['cpu']}{vector}, {m['cores']} cores, Linux {m['kernel']}; {m['iperf3']}; {m['go']}",
             f"medians of {record['options']['rounds']} interleaved rounds; load at start: "
             + ", ".join(f"{p['load'][0]:.2f}" for p in record["pieces"])]
    for i in record["implementations"]:
        note = f" ({i['note']})" if i["note"] else ""
        lines.append(f"  {i['name']}: {i['version'] or '-'}{note}")
    for name, why in record["left_out"].items():
        lines.append(f"  {name}: left out: {why}")
    return lines


def failures(record):
    return [f"failed: round {e['round']}, {e['implementation']}, {e['act']}"
            + (f", veth {e['veth']}" if e["veth"] else "") + f": {e['failed']}"
            for e in record["results"] if "failed" in e]


def is_disturbed(entry):
    """Processes that have nothing to do with the bench took more than a part of one core."""
    return entry.get("strangers", 0) > DISTURBED


def disturbances(record):
    found = [e for e in record["results"] if is_disturbed(e)]
    if not found:
        return []
    worst = max(e["strangers"] for e in found)
    return [f"disturbed: {len(found)} of {len(record['results'])} acts ran beside other processes "
            f"that took more than {DISTURBED:g} of a core, at most {worst:.2f}"]


def as_text(record):
    lines = heading(record)
    for caption, header, rows in tables(record):
        widths = [max(len(r[i]) for r in [header, *rows]) for i in range(len(header))]
        lines += ["", caption]
        for r in [header, *rows]:
            lines.append(r[0].ljust(widths[0]) + "".join("  " + c.rjust(w)
                                                         for c, w in zip(r[1:], widths[1:])))
    missing = record.get("missing", 0)
    if missing:
        lines += ["", f"not finished: {missing} acts are missing"]
    remarks = failures(record) + disturbances(record)
    return "\n".join(lines + [""] * bool(remarks) + remarks)


def as_markdown(record):
    lines = []
    for caption, header, rows in tables(record):
        lines += [f"### {caption[0].upper()}{caption[1:]}", "", "| " + " | ".join(header) + " |",
                  "|---|" + "---:|" * (len(header) - 1)]
        lines += ["| " + " | ".join(r) + " |" for r in rows]
        lines.append("")
    return "\n".join(lines + failures(record) + disturbances(record))
