"""HTTP/1.1 on kept-alive connections."""

import asyncio
import json

DEADLINE = 15


class Line:
    """One connection, reopened after its end; one request at a time."""

    def __init__(self, host, port):
        self.host, self.port = host, port
        self.streams = None
        self.busy = asyncio.Lock()

    async def send(self, method, target, body=b"", content_type="application/json", headers=()):
        """Status and body of the answer."""
        head = [f"{method} {target} HTTP/1.1", f"Host: {self.host}", *headers]
        if body or method == "POST":
            head += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
        request = "\r\n".join(head).encode() + b"\r\n\r\n" + body
        async with self.busy, asyncio.timeout(DEADLINE):
            kept = self.streams is not None
            try:
                return await self.exchange(request)
            except (ConnectionError, asyncio.IncompleteReadError):
                self.hang_up()
                if not kept:
                    raise
                # The server may have closed an idle connection.
                return await self.exchange(request)
            except BaseException:
                self.hang_up()
                raise

    async def exchange(self, request):
        if self.streams is None:
            self.streams = await asyncio.open_connection(self.host, self.port)
        reader, writer = self.streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        if fields.get("connection") == "close":
            self.hang_up()
        return status, body

    def hang_up(self):
        if self.streams is not None:
            self.streams[1].close()
            self.streams = None


class Lines:
    """A pool of a few connections."""

    def __init__(self, host, port, count):
        self.lines = [Line(host, port) for _ in range(count)]
        self.next = 0

    async def send(self, *arguments, **more):
        self.next = (self.next + 1) % len(self.lines)
        return await self.lines[self.next].send(*arguments, **more)

    async def post(self, app, path, value):
        """A signed request of an application's backend."""
        body = json.dumps(value).encode()
        path = f"/apps/{app.id}{path}"
        return await self.send("POST", app.target("POST", path, body), body)

    async def get(self, app, path, **parameters):
        path = f"/apps/{app.id}{path}"
        return await self.send("GET", app.target("GET", path, **parameters))

    def hang_up(self):
        for line in self.lines:
            line.hang_up()
