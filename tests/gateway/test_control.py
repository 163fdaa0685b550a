"""The daemon's socket: for its own user alone, whatever stood there before, however long its path."""

import asyncio
import contextlib
import os
import stat

import pytest

from gateway.control import MAX_LINE, SOCKET, ControlError, dial, inside, serve


async def echo(channel):
    while (row := await channel.hear()) is not None:
        channel.say(row)


@contextlib.asynccontextmanager
async def served(data, answers=echo):
    """The socket is served, and somebody has come through."""
    task = asyncio.ensure_future(serve(data, answers))
    try:
        async with asyncio.timeout(10):
            while (channel := await dial(data)) is None:  # noqa: ASYNC110 (a file that appears)
                await asyncio.sleep(0)
        yield channel
        await channel.close()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_rows_go_both_ways(tmp_path):
    async with served(tmp_path) as channel:
        for row in ({"do": "status"}, {"answer": "ünïcode", "n": 1}):
            channel.say(row)
            assert await asyncio.wait_for(channel.hear(), 10) == row


async def test_the_socket_is_its_users_alone_and_goes_with_the_daemon(tmp_path):
    async with served(tmp_path):
        assert stat.S_IMODE((tmp_path / SOCKET).stat().st_mode) == 0o600
    assert not (tmp_path / SOCKET).exists()
    assert await dial(tmp_path) is None


async def test_what_a_killed_daemon_left_is_no_hindrance(tmp_path):
    (tmp_path / SOCKET).touch()
    assert await dial(tmp_path) is None
    async with served(tmp_path):
        pass


async def test_a_directory_with_a_long_name(tmp_path):
    data = tmp_path / ("d" * 100) / ("e" * 100)
    data.mkdir(parents=True)
    async with served(data) as channel:
        channel.say({"do": "x"})
        assert await channel.hear() == {"do": "x"}


@pytest.mark.parametrize(
    "line", [b"no json\n", b"[1]\n", b'"text"\n', b"\xff\n", b"x" * (2 * MAX_LINE) + b"\n", b""]
)
async def test_what_is_no_row_ends_the_conversation_and_nothing_else(tmp_path, line):
    async with served(tmp_path) as good:
        bad = await dial(tmp_path)
        bad._writer.write(line)
        bad._writer.write_eof()
        assert await asyncio.wait_for(bad.hear(), 10) is None
        await bad.close()
        good.say({"still": "here"})
        assert await asyncio.wait_for(good.hear(), 10) == {"still": "here"}


async def test_a_place_where_no_socket_can_be_is_no_end(tmp_path):
    task = asyncio.ensure_future(serve(tmp_path / "none", echo))
    await asyncio.wait([task], timeout=0.2)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become another user")
async def test_another_user_is_told_so(tmp_path):
    async with served(tmp_path):
        tmp_path.chmod(0o755)
        for parent in list(tmp_path.parents)[:-2]:
            parent.chmod(0o755)
        os.seteuid(65534)
        try:
            with pytest.raises(ControlError, match="hub-of-another-user"):
                await dial(tmp_path)
        finally:
            os.seteuid(0)


async def test_the_same_within_one_program():
    async with inside(echo) as channel:
        channel.say({"do": "x"})
        assert await asyncio.wait_for(channel.hear(), 10) == {"do": "x"}
        await channel.close()
        channel.say({"in": "vain"})
