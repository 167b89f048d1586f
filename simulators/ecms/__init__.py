"""A simulator of ECMS, 7-Eleven's e-commerce management system, as the gateway and the merchants see it."""
