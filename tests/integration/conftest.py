"""The integration tier: the gateway in this process, over real HTTP and real PostgreSQL. About a minute."""

from world import ecms_server, settings, world

__all__ = ["ecms_server", "settings", "world"]
