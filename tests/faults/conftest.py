"""The faults tier: what breaks between the gateway, its database and ECMS. About two minutes; needs PostgreSQL."""

from world import ecms_server, gateway_database_url, settings, world

__all__ = ["ecms_server", "gateway_database_url", "settings", "world"]
