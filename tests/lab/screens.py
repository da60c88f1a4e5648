# SPDX-License-Identifier: MIT
"""Screens of the command line: what it makes of a daemon's answer, and a picture of that.

A picture is an SVG of text elements, one for each run of one style, so that it can be searched, copied and read in light
and dark. Each says how long it is: whatever font it is shown in, columns stand below each other."""

import contextlib
import html
import json
import os
import pty
import re
import socket
import subprocess
import threading

CHAR, LINE, MARGIN, SIZE = 8.4, 19, 14, 14
CLASSES = {"1": "bold", "2": "dim", "31": "red", "32": "green", "33": "yellow"}
STYLE = """text { font: %dpx ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328; white-space: pre }
.box { fill: #f6f8fa; stroke: #d0d7de }
.bold { font-weight: bold }
.dim { fill: #57606a }
.red { fill: #cf222e }
.green { fill: #1a7f37 }
.yellow { fill: #9a6700 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.box { fill: #161b22; stroke: #3d444d }
.dim { fill: #9198a1 }
.red { fill: #f85149 }
.green { fill: #3fb950 }
.yellow { fill: #d29922 }
}""" % SIZE


@contextlib.contextmanager
def daemon_that_says(folder, answer):
    """A control socket in the folder that gives everybody the answer."""
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(os.path.join(folder, "control.sock"))
        s.listen()

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    with s.accept()[0] as one:
                        one.recv(65536)
                        one.sendall(json.dumps({"ok": True, **answer}).encode() + b"\n")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            s.shutdown(socket.SHUT_RDWR)
            thread.join()
            os.unlink(os.path.join(folder, "control.sock"))


def on_terminal(argv, columns):
    """What a program prints on a terminal, with its colours."""
    master, slave = pty.openpty()
    env = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    env.pop("NO_COLOR", None)
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=slave, env=env) as process:
        os.close(slave)
        text = b""
        with contextlib.suppress(OSError):  # its end is told as an error
            while piece := os.read(master, 65536):
                text += piece
        os.close(master)
        if process.wait():
            raise RuntimeError(f"{argv}: exit status {process.returncode}")
    return text.decode("utf-8").replace("\r\n", "\n")


def runs(line):
    """(column, class or None, text) of each run of one style; blanks around it are nobody's."""
    column, style = 0, None
    for piece in re.split(r"(\033\[[0-9]*m)", line):
        code = re.fullmatch(r"\033\[([0-9]*)m", piece)
        if code:
            style = CLASSES.get(code.group(1))
            continue
        for word in re.finditer(r"\S+(?: \S+)*", piece):
            yield column + word.start(), style, word.group()
        column += len(piece)


def shortened(lines, most):
    """The first ones, and how many are left out."""
    if not most or len(lines) <= most:
        return lines
    return lines[:most - 1] + [f"\033[2m... and {len(lines) - most + 1} lines more\033[0m"]


def svg(command, text, most=0):
    """The picture of a command and what it printed, the first lines of it."""
    lines = [f"\033[2m$\033[0m \033[1m{command}\033[0m"] + shortened(text.rstrip("\n").split("\n"), most)
    plain = [re.sub(r"\033\[[0-9]*m", "", line) for line in lines]
    width, height = max(map(len, plain)) * CHAR + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img" aria-labelledby="t">',
           f'<title id="t">{html.escape(command)}</title>', f"<style>\n{STYLE}\n</style>",
           f'<rect class="box" x="0.5" y="0.5" width="{width - 1:.0f}" height="{height - 1}" rx="6"/>']
    for number, line in enumerate(lines):
        for column, style, words in runs(line):
            out.append(f'<text{f" class={chr(34)}{style}{chr(34)}" if style else ""} x="{MARGIN + column * CHAR:.1f}" '
                       f'y="{MARGIN + number * LINE + SIZE}" textLength="{len(words) * CHAR:.1f}">{html.escape(words)}</text>')
    return "\n".join([*out, "</svg>", ""])


def as_terminals_break(text, columns):
    """What is wider (a command to be copied) goes on in the next row; such lines have no colours."""
    rows = []
    for line in text.split("\n"):
        pieces = [line[i:i + columns] for i in range(0, len(line), columns)]
        rows += [line] if "\033" in line or not pieces else pieces
    return "\n".join(rows)


# Each picture: the answer that was recorded, the words of the command, how wide, how many lines of it.
PICTURES = {"status": ("status", ("status",), 80, 26),
            "routes": ("routes", ("routes", "--within", "10.20.0.0/16"), 80, 26),
            "status-wide": ("status", ("status", "--wide"), 80, 26)}


def draw(name, shunt, recorded, folder):
    """The picture of that name, by the program shunt; recorded: {request: answer}; folder: for a socket."""
    request, words, columns, most = PICTURES[name]
    with daemon_that_says(folder, recorded[request]):
        text = on_terminal([shunt, *words, "--run-dir", folder], columns)
    if "--wide" not in words:
        text = as_terminals_break(text, columns)
    return svg(" ".join(("shunt", *words)), text, most)
