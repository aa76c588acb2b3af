"""delay.py PORT MS: a proxy on 127.0.0.1 before the port PORT, in which each
piece of what a client sends waits MS milliseconds.  So each request takes that
much longer, and those of several connections wait at the same time.  It prints
the port on which it listens, and ends when its standard input does.
"""
import asyncio
import sys

PORT, DELAY = int(sys.argv[1]), float(sys.argv[2]) / 1000


async def back(reader, writer):
    """What the server says goes on at once."""
    while data := await reader.read(1 << 18):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve(reader, writer):
    loop = asyncio.get_running_loop()
    from_server, server = await asyncio.open_connection('127.0.0.1', PORT)
    answers = asyncio.create_task(back(from_server, writer))
    try:
        while data := await reader.read(1 << 18):
            loop.call_later(DELAY, server.write, data)
        await asyncio.sleep(DELAY)
    except ConnectionError:
        pass
    server.close()
    await asyncio.gather(answers, return_exceptions=True)


async def main():
    proxy = await asyncio.start_server(serve, '127.0.0.1', 0)
    print(proxy.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
