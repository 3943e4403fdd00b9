"""httpx on asyncbis, with `sniffio_name="asyncio"`, against a small server of asyncio's streams."""

from __future__ import annotations

import pytest
from conftest import RunProgram

pytest.importorskip("httpx", reason="httpx is not installed (tests/conformance/requirements.txt)")

SERVER = """
import httpx

async def serve(reader, writer):
    while head := await reader.readuntil(b"\\r\\n\\r\\n"):
        path = head.split()[1]
        if path == b"/slow":
            await asyncio.sleep(5)
        body = b"hello " + path
        writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body)
        await writer.drain()

async def handler(reader, writer):
    try:
        await serve(reader, writer)
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        # Before Python 3.12.1 asyncio logs a handler that was cancelled as an error of its own.
        pass
    finally:
        writer.close()
"""


def test_httpx(program: RunProgram) -> None:
    """Requests, read timeouts, cancellation, and a session that stays usable."""
    assert (
        program(SERVER + """
async def main(out):
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    url = "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
    async with httpx.AsyncClient(trust_env=False) as client:
        for number in range(2):
            response = await client.get(url + "/%d" % number)
            out(response.status_code, response.text)
        out((await raised(client.get(url + "/slow", timeout=0.1))).split("(")[0])
        await probe(out, "continue")
        with asyncbis.move_on_after(0.1) as scope:
            await client.get(url + "/slow")
        out(scope.cancelled_caught, asyncio.current_task().cancelling())
        try:
            async with asyncio.timeout(0.1):
                await client.get(url + "/slow")
        except TimeoutError:
            out("TimeoutError")
        responses = await asyncio.gather(*(client.get(url + "/%d" % number) for number in range(20)))
        out(sum(response.status_code for response in responses))
    server.close()
report(main, sniffio_name="asyncio")
""")
        == "200 hello /0 / 200 hello /1 / ReadTimeout / continue ok / True 0 / TimeoutError / 4000"
    )
