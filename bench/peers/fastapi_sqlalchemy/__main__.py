"""Runs the application in several workers, and ends when the standard input does."""

import argparse
import threading

import uvicorn

from bench.children import leave_with_parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    asked = parser.parse_args()
    threading.Thread(target=leave_with_parent, daemon=True).start()
    uvicorn.run(
        "bench.peers.fastapi_sqlalchemy.app:app",
        port=asked.port,
        workers=asked.workers,
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
