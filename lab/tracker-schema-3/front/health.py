"""The health-check API: each request asks each listener."""
import asyncio
import json
import socket
import struct

from .web import Answer, Client


def reachable(host):
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


class Health:
    """The report on all listeners."""

    def __init__(self):
        self.listeners = []

    def add(self, service, protocol, listener):
        self.listeners.append((service, protocol, listener))

    async def answer(self, request):
        if request.path != "/health_check":
            return Answer(404, b"")
        details = await asyncio.gather(*(self.detail(*one) for one in self.listeners))
        failed = any("Err" in detail["result"] for detail in details)
        status = "None" if not details else "Error" if failed else "Ok"
        report = {"status": status, "message": "health check failed" if failed else "", "details": list(details)}
        # Whatever the report says, the answer's code is 200.
        return Answer.json(json.dumps(report, separators=(",", ":")))

    async def detail(self, service, protocol, listener):
        place = f"{protocol}://{listener.address}"
        try:
            asked = asyncio.wait_for(self.udp(listener) if protocol == "udp" else self.tcp(service, protocol, listener), 2)
            result = {"Ok": await asked}
        except (OSError, ValueError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
            result = {"Err": str(error) or "no answer in time"}
        called = service.replace("_", " ")
        return {"service_binding": f"{place}/", "binding": listener.address, "service_type": service,
                "info": f"checking the {called} health check at: {place}", "result": result}

    @staticmethod
    async def udp(listener):
        loop = asyncio.get_running_loop()
        host = reachable(listener.host)
        asking = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        asking.setblocking(False)
        with asking:
            await loop.sock_connect(asking, (host, listener.port))
            await loop.sock_sendall(asking, struct.pack(">QII", 0x41727101980, 0, 1))
            answer = await loop.sock_recv(asking, 64)
        if len(answer) != 16:
            raise ValueError("Did not Connect")
        return "Connected"

    @staticmethod
    async def tcp(service, protocol, listener):
        if protocol == "https":
            # The certificate is for names, not for this address: only that somebody listens is looked at.
            _, writer = await asyncio.open_connection(reachable(listener.host), listener.port)
            writer.close()
            return "200 OK"
        client = Client(listener.port, reachable(listener.host))
        path = "/api/health_check" if service == "tracker_rest_api" else "/health_check"
        answer = await client.ask("GET", path, {"connection": "close"})
        if answer.status != 200:
            raise ValueError(f"{answer.status}")
        return "200 OK"
