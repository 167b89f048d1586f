"""aiohttp with nothing around it."""
