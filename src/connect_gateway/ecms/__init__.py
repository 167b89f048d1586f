"""The outward road: what the gateway asks and tells ECMS."""
