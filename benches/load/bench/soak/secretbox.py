"""NaCl's secretbox, opened as by pusher-js: a client must know whether it can read an event.
Slow, and fast enough for some hundred short messages a second."""

import hmac
import struct

_SIGMA = struct.unpack("<4I", b"expand 32-byte k")
_MASK = 0xFFFFFFFF
# The quarter rounds of a double round: columns, then rows.
_QUARTERS = (
    (0, 4, 8, 12),
    (5, 9, 13, 1),
    (10, 14, 2, 6),
    (15, 3, 7, 11),
    (0, 1, 2, 3),
    (5, 6, 7, 4),
    (10, 11, 8, 9),
    (15, 12, 13, 14),
)


def _rounds(state):
    x = list(state)
    for _ in range(10):
        for a, b, c, d in _QUARTERS:
            t = (x[a] + x[d]) & _MASK
            x[b] ^= (t << 7 | t >> 25) & _MASK
            t = (x[b] + x[a]) & _MASK
            x[c] ^= (t << 9 | t >> 23) & _MASK
            t = (x[c] + x[b]) & _MASK
            x[d] ^= (t << 13 | t >> 19) & _MASK
            t = (x[d] + x[c]) & _MASK
            x[a] ^= (t << 18 | t >> 14) & _MASK
    return x


def _state(key, block):
    k, n = struct.unpack("<8I", key), struct.unpack("<4I", block)
    return (_SIGMA[0], *k[:4], _SIGMA[1], *n, _SIGMA[2], *k[4:], _SIGMA[3])


def _hsalsa(key, block):
    x = _rounds(_state(key, block))
    return struct.pack("<8I", *(x[i] for i in (0, 5, 10, 15, 6, 7, 8, 9)))


def _salsa(key, nonce, counter):
    state = _state(key, nonce + struct.pack("<Q", counter))
    return struct.pack("<16I", *((a + b) & _MASK for a, b in zip(_rounds(state), state)))


def _poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(message), 16):
        total = (total + int.from_bytes(message[at : at + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:32], "little")) & (2**128 - 1)).to_bytes(16, "little")


def opened(key, nonce, sealed):
    """The plaintext, or `None` if the key does not fit."""
    subkey = _hsalsa(key, nonce[:16])
    first = _salsa(subkey, nonce[16:], 0)
    tag, ciphertext = sealed[:16], sealed[16:]
    if not hmac.compare_digest(tag, _poly1305(first[:32], ciphertext)):
        return None
    stream, counter = first[32:], 1
    while len(stream) < len(ciphertext):
        stream += _salsa(subkey, nonce[16:], counter)
        counter += 1
    return bytes(a ^ b for a, b in zip(ciphertext, stream))
