"""Ask for a page by HTTP/3: ``python3 http_3.py ADDRESS PATH [VISITORS]``; says what came, as lines of JSON.

Without visitors it asks once; they ask again and again, each with a new connection, until SIGTERM.
It runs beside the front end (tests/clients.py), with Debian's python3-aioquic: curl's HTTP/3 there is
OpenSSL's, which now and then never sends the request that it calls sent (curl/curl#18336).
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import signal
import sys
import time

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent

AUTHORITY = "/ca.pem"
SECONDS, PATIENCE = 10, 40
"""For one that asks alone, and for visitors: nginx's old workers, which drop packets of new connections
(nginx#425), leave within 30 s of a reload."""


class Client(QuicConnectionProtocol):  # type: ignore[misc]
    """A connection with one request."""

    http: H3Connection | None = None

    async def get(self, host: str, path: str) -> tuple[int, str]:
        """Return status and body."""
        self.http = H3Connection(self._quic)
        self.events = asyncio.Queue[H3Event]()
        asked = {":method": "GET", ":scheme": "https", ":authority": host, ":path": path}
        stream = self._quic.get_next_available_stream_id()
        self.http.send_headers(stream, [(k.encode(), v.encode()) for k, v in asked.items()], end_stream=True)
        self.transmit()
        status, body, ended = 0, b"", False
        while not ended:
            event = await self.events.get()
            if isinstance(event, HeadersReceived) and not status:
                status = int(dict(event.headers)[b":status"])
            elif isinstance(event, DataReceived):
                body += event.data
            ended = event.stream_ended
        return status, body.decode()

    def quic_event_received(self, event: QuicEvent) -> None:
        """Keep what belongs to HTTP."""
        if self.http:
            for found in self.http.handle_event(event):
                self.events.put_nowait(found)


async def ask(address: str, path: str, seconds: int) -> dict[str, float | str]:
    """Ask once, with the certificate looked at; raises TimeoutError, ConnectionError for a bad one."""
    host = f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
    settings = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name="localhost")
    settings.load_verify_locations(AUTHORITY)
    begun = time.monotonic()
    async with asyncio.timeout(seconds):
        async with connect(address, 443, configuration=settings, create_protocol=Client) as client:
            status, body = await client.get(host, path)
    return {"begun": begun, "ended": time.monotonic(), "status": status, "body": body}


async def main(address: str, path: str, visitors: str = "") -> None:
    """Ask once, or until it is told to end; raises what one of them does."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)

    async def visit() -> None:
        while True:
            print(json.dumps(await ask(address, path, PATIENCE if visitors else SECONDS)), flush=True)
            if not visitors or told.is_set():
                return
            await asyncio.sleep(0.1)  # as tests/faults.py: this bounds the load

    await asyncio.gather(*(visit() for _ in range(int(visitors or 1))))


asyncio.run(main(*sys.argv[1:]))
