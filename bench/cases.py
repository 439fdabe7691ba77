"""The fixed set of requests, and how each answer is known to be right."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass, field
from pathlib import Path

BOUNDARY = "----------bench"
UPLOAD_BYTES = 5_000_000
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Case:
    """One kind of request; `text` is in each right answer, and "" where all bytes are counted instead."""

    name: str
    title: str
    path: str
    text: str = ""
    method: str = "GET"
    tls: bool = False
    http_2: bool = False
    connections: int = 64
    headers: dict[str, str] = field(default_factory=dict)
    published: bool = False  # asked through the published port, too

    @property
    def sends(self) -> bool:
        """Whether it posts a form, which needs a visitor's token."""
        return self.method == "POST"


BROTLI = {"Accept-Encoding": "br"}
HELLO = ("/application/hello", "Hello World")

CASES = [
    Case("page", "Hello World", *HELLO, published=True),
    Case("flask", "limit: Flask alone", "/test/limits/flask", "Hello World"),
    Case("bare", "limit: a bare callable", "/test/limits/bare", "Hello World"),
    Case("template", "a page from a template", "/templates/hello/World", "Hello World!"),
    Case("list", "50 rows from SQLite", "/sqlite/list", "<td>Lovelace</td>"),
    Case("insert", "a row into SQLite", "/sqlite/addrec", "Record successfully added", "POST", connections=8),
    Case("static", "10 kB static", "/static/bench/10k.css", published=True),
    Case("static-br", "10 kB static, compressed", "/static/bench/10k.css", headers=BROTLI),
    Case("static-1m", "1 MB static", "/static/bench/1m.css", connections=16),
    Case("static-1m-br", "1 MB static, compressed", "/static/bench/1m.css", headers=BROTLI, connections=16),
    Case("tls", "Hello World by TLS", *HELLO, tls=True, published=True),
    Case("tls-new", "Hello World by TLS, connected anew", *HELLO, tls=True, headers={"Connection": "close"}),
    Case("http-2", "Hello World by HTTP/2", *HELLO, tls=True, http_2=True, connections=16),
    Case("upload", "5 MB uploaded", "/uploads/uploader", "file uploaded successfully", "POST", connections=4),
    Case("stream", "a streamed answer, 10 pieces", "/test/stream?seconds=1&pause=0", "9\n"),
]
CASE = {case.name: case for case in CASES}


def static_files(folder: Path) -> None:
    """Write the static files of the cases, as they are and compressed: style sheets of random rules."""
    import brotli

    chance = random.Random(1)  # noqa: S311  the same files in every run
    folder.mkdir(parents=True, exist_ok=True)
    for name, size in (("10k.css", 10_000), ("1m.css", 1_000_000)):
        text = ""
        while len(text) < size:
            word = "".join(chance.choices(string.ascii_lowercase, k=8))
            text += (
                f".{word} {{ margin: {chance.randint(0, 99)}px; color: #{chance.randrange(16**6):06x}; }}\n"
            )
        data = text[:size].encode()
        (folder / name).write_bytes(data)
        (folder / f"{name}.br").write_bytes(brotli.compress(data))


def body(case: Case, token: str) -> tuple[bytes, str]:
    """Return the form that a case posts, and its media type."""
    if case.name == "insert":
        return f"csrf_token={token}&nm=Lovelace&add=St+James%27s+Square&city=London&pin=1".encode(), FORM
    head = (
        f"--{BOUNDARY}",
        'Content-Disposition: form-data; name="csrf_token"',
        "",
        token,
        f"--{BOUNDARY}",
        'Content-Disposition: form-data; name="file"; filename="bench.bin"',
        "Content-Type: application/octet-stream",
        "",
        "",
    )
    whole = "\r\n".join(head).encode() + bytes(UPLOAD_BYTES) + f"\r\n--{BOUNDARY}--\r\n".encode()
    return whole, f"multipart/form-data; boundary={BOUNDARY}"
