"""One question over HTTP/3; see http3.sh."""
import asyncio
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration


class Client(QuicConnectionProtocol):
    """Asks for one page."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.http = H3Connection(self._quic)
        self.ended = asyncio.get_running_loop().create_future()
        self.status, self.body = None, b""

    def quic_event_received(self, event):
        for part in self.http.handle_event(event):
            if isinstance(part, HeadersReceived):
                self.status = dict(part.headers)[b":status"].decode()
            elif isinstance(part, DataReceived):
                self.body += part.data
            if getattr(part, "stream_ended", False) and not self.ended.done():
                self.ended.set_result(None)

    async def get(self, domain, path):
        headers = {":method": "GET", ":scheme": "https", ":authority": domain, ":path": path}
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.http.send_headers(self._quic.get_next_available_stream_id(), encoded, end_stream=True)
        self.transmit()
        await self.ended


async def main(address, domain, path, root):
    settings = QuicConfiguration(alpn_protocols=H3_ALPN, server_name=domain)
    settings.load_verify_locations(root)
    async with connect(address, 443, configuration=settings, create_protocol=Client) as client:
        await client.get(domain, path)
    print(client.status)
    print(client.body.decode("latin-1"))


asyncio.run(asyncio.wait_for(main(*sys.argv[1:]), 10))
