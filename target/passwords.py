"""Password hashes by scrypt, computed in threads so that the event loop goes on serving others."""

import asyncio
import base64
import hashlib
import hmac
import os
from concurrent.futures import ThreadPoolExecutor

_BLOCK_SIZE = 8
_THREADS = 1  # per replica; more would only slow down those under way, and the event loops beside them


class Passwords:
    """Hashes and checks passwords at a cost of 2 ** `log2_n` (12: about 12 ms and 4 MiB)."""

    def __init__(self, log2_n: int) -> None:
        self._log2_n = log2_n
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="scrypt")
        self._nobodys = _encode(os.urandom(16), os.urandom(32), log2_n)

    async def hashed(self, password: str) -> str:
        """The text to store: `scrypt$log2_n$salt$key`."""
        salt = os.urandom(16)
        return _encode(salt, await self._derive(password, salt, self._log2_n), self._log2_n)

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether `stored` was made of `password`; takes as long when nothing is stored, so that time tells nothing."""
        _, log2_n, salt, key = (stored or self._nobodys).split("$")
        derived = await self._derive(password, base64.b64decode(salt), int(log2_n))
        return hmac.compare_digest(derived, base64.b64decode(key)) and stored is not None

    async def _derive(self, password: str, salt: bytes, log2_n: int) -> bytes:
        def derive() -> bytes:
            memory = 256 * _BLOCK_SIZE * 2**log2_n
            return hashlib.scrypt(
                password.encode(), salt=salt, n=2**log2_n, r=_BLOCK_SIZE, p=1, maxmem=memory, dklen=32
            )

        return await asyncio.get_running_loop().run_in_executor(self._threads, derive)

    def close(self) -> None:
        """End the threads, without waiting for what is queued."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _encode(salt: bytes, key: bytes, log2_n: int) -> str:
    return f"scrypt${log2_n}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"
