#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A second reading of the WireGuard paper (section 5.4), by other primitives (hashlib, OpenSSL).

Prints golden_handshake.h, what test_noise.c and test_cookie.c expect for fixed keys. Needs Debian's
python3-cryptography; the tests themselves don't.
"""

import hmac
import struct
from hashlib import blake2s

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

INITIATOR, RESPONDER = bytes([0x11] * 32), bytes([0x22] * 32)
EPHEMERAL_I, EPHEMERAL_R = bytes([0x33] * 32), bytes([0x44] * 32)
PSK = bytes([0x55] * 32)
INDEX_I, INDEX_R = 0x01020304, 0xA1A2A3A4
SECRET = bytes([0x66] * 32)


def h(*parts):
    return blake2s(b"".join(parts)).digest()


def mac(key, data):
    return blake2s(data, key=key, digest_size=16).digest()


def kdf(key, data, n):
    secret = hmac.digest(key, data, blake2s)
    outputs, last = [], b""
    for i in range(1, n + 1):
        last = hmac.digest(secret, last + bytes([i]), blake2s)
        outputs.append(last)
    return outputs


def dh(private, public):
    return X25519PrivateKey.from_private_bytes(private).exchange(
        X25519PublicKey.from_public_bytes(public)
    )


def public(private):
    return dh(private, bytes([9] + [0] * 31))


def seal(key, plain, ad):
    return ChaCha20Poly1305(key).encrypt(bytes(12), plain, ad)


def with_macs(message, receiver_static, cookie=None):
    message += mac(h(b"mac1----", receiver_static), message)
    return message + (mac(cookie, message) if cookie else bytes(16))


def handshake(psk, cookie):
    i_pub, r_pub = public(INITIATOR), public(RESPONDER)
    ei_pub, er_pub = public(EPHEMERAL_I), public(EPHEMERAL_R)
    stamp = struct.pack(">QI", 0x400000000000000A + 1700000000, 0x2A000000)

    ck = h(b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s")
    hh = h(h(ck, b"WireGuard v1 zx2c4 Jason@zx2c4.com"), r_pub)
    hh = h(hh, ei_pub)
    (ck,) = kdf(ck, ei_pub, 1)
    ck, key = kdf(ck, dh(EPHEMERAL_I, r_pub), 2)
    sealed_static = seal(key, i_pub, hh)
    hh = h(hh, sealed_static)
    ck, key = kdf(ck, dh(INITIATOR, r_pub), 2)
    sealed_stamp = seal(key, stamp, hh)
    hh = h(hh, sealed_stamp)
    first = struct.pack("<II", 1, INDEX_I) + ei_pub + sealed_static + sealed_stamp

    hh = h(hh, er_pub)
    (ck,) = kdf(ck, er_pub, 1)
    (ck,) = kdf(ck, dh(EPHEMERAL_R, ei_pub), 1)
    (ck,) = kdf(ck, dh(EPHEMERAL_R, i_pub), 1)
    ck, t, key = kdf(ck, psk, 3)
    hh = h(hh, t)
    second = struct.pack("<III", 2, INDEX_R, INDEX_I) + er_pub + seal(key, b"", hh)
    to_responder, to_initiator = kdf(ck, b"", 2)
    return (
        with_macs(first, r_pub, cookie),
        with_macs(second, i_pub),
        to_responder,
        to_initiator,
    )


def show(name, value):
    text = value.hex()
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    print(f"#define {name} \\")
    print(" \\\n".join(f'\t"{line}"' for line in lines))


print("/* SPDX-License-Identifier: MIT */\n/* Printed by golden_handshake.py. */\n/* clang-format off */")
for name, psk in (("NO_PSK", bytes(32)), ("PSK", PSK)):
    values = handshake(psk, None)
    for what, value in zip(("INITIATION", "RESPONSE", "TO_RESPONDER", "TO_INITIATOR"), values):
        show(f"{name}_{what}", value)
for name, source in (
    ("V4", bytes([192, 0, 2, 7]) + struct.pack(">H", 51820)),
    ("V6", bytes.fromhex("20010db8000000000000000000000007") + struct.pack(">H", 4500)),
):
    cookie = mac(SECRET, source)
    show(f"{name}_COOKIE", cookie)
    show(f"{name}_MAC2", handshake(bytes(32), cookie)[0][-16:])
