"""How a child process learns that its parent is gone: it holds the reading end of a pipe that the parent keeps open."""

import asyncio
import os
from collections.abc import Callable


def stop_at_end_of(descriptor: int, stop: Callable[[], None]) -> None:
    """Calls `stop` once nobody holds the other end of the pipe any more, however that came about."""
    loop = asyncio.get_running_loop()
    os.set_blocking(descriptor, False)

    def readable() -> None:
        try:
            ended = not os.read(descriptor, 4096)
        except BlockingIOError:
            return
        except OSError:
            ended = True
        if ended:
            loop.remove_reader(descriptor)
            stop()

    loop.add_reader(descriptor, readable)
