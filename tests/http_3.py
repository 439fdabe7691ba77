"""Ask for one page by HTTP/3: ``python3 http_3.py ADDRESS PATH``; prints its status and body as JSON.

It runs beside the front end (tests/stack/test_tls.py), with Debian's python3-aioquic: curl's HTTP/3 there is
OpenSSL's, which now and then never sends the request that it calls sent (curl/curl#18336).
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent

AUTHORITY = "/ca.pem"
SECONDS = 10


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


async def main(address: str, path: str) -> None:
    """Ask, with the certificate looked at; raises TimeoutError after 10 s, ConnectionError for a bad one."""
    host = f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
    settings = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name="localhost")
    settings.load_verify_locations(AUTHORITY)
    async with asyncio.timeout(SECONDS):
        async with connect(address, 443, configuration=settings, create_protocol=Client) as client:
            json.dump(await client.get(host, path), sys.stdout)


asyncio.run(main(*sys.argv[1:]))
