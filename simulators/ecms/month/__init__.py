"""A month of the whole platform: shipments, drop-offs and returns of all kinds, zones and fates, and their audit."""
