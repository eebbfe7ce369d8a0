"""Each use of a library's private API: a test fails here, by its name, when the library has changed."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from unittest.mock import AsyncMock, MagicMock

import pytest


@pytest.mark.parametrize("kept", [False, True], ids=["without", "with"])
def test_ipykernel_hands_a_click_to_the_subshell_it_was_sent_to(kept):
    """Without the private API to the thread of the cells (None): once that fails, the private API is not needed."""
    from ipykernel.comm.comm import BaseComm
    from ipykernel.kernelbase import Kernel

    from lib.live_table.widget import answer_in_subshell

    comm = BaseComm(target_name="jupyter.widget", primary=False)
    comm._reply_subshell_id = None  # what publish_msg sets for a widget that a cell has created
    if kept:
        answer_in_subshell(SimpleNamespace(comm=comm))
    click = {"header": {"subshell_id": "a subshell", "msg_type": "comm_msg"}, "content": {"comm_id": comm.comm_id}}
    session = MagicMock(feed_identities=lambda message, copy: ([], message), unpack=lambda content: content)
    session.deserialize = lambda message, content, copy: message
    reached = []
    loop = MagicMock(asyncio_lock=AsyncMock())
    loop.manager.get_shell_channel_to_subshell_socket = lambda subshell: reached.append(subshell) or MagicMock()
    kernel = SimpleNamespace(session=session, comm_manager=MagicMock(), log=MagicMock(), shell_channel_thread=loop)
    kernel.comm_manager.get_comm = {comm.comm_id: comm}.get

    async def deliver():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("threading.current_thread", lambda: loop)
            await Kernel.shell_channel_thread_main(kernel, click)

    with ThreadPoolExecutor() as pool:  # this thread may have an event loop, that of a browser test
        pool.submit(asyncio.run, deliver()).result()
    assert reached == ["a subshell" if kept else None], kernel.log.mock_calls
