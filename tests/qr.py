# SPDX-License-Identifier: MIT
"""What a camera sees of a QR code on a terminal: reads its half blocks, writes a picture for zbarimg."""

import sys
import zlib

TOPS, BOTTOMS = {"█": 1, "▀": 1, "▄": 0, " ": 0}, {"█": 1, "▀": 0, "▄": 1, " ": 0}


def png_of_blocks(text, scale=4):
    """As a dark terminal would show them."""
    rows = [row for line in text.splitlines() for row in
            ([TOPS[c] for c in line], [BOTTOMS[c] for c in line])]
    raw = b"".join((b"\0" + b"".join(bytes([255 * p]) * scale for p in row)) * scale for row in rows)

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    size = (len(rows[0]) * scale).to_bytes(4, "big") + (len(rows) * scale).to_bytes(4, "big")
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size + b"\x08\0\0\0\0") +
            chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


if __name__ == "__main__":
    sys.stdout.buffer.write(png_of_blocks(sys.stdin.read()))
