"""The integration tier: the gateway in this process, over real HTTP and real PostgreSQL. About two minutes."""

from world import ecms_server, gateway_database_url, settings, world

__all__ = ["ecms_server", "gateway_database_url", "settings", "world"]
