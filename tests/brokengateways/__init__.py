"""Gateways that are broken on purpose, by one change of the program each: the history checker has to catch them all.

`python -m brokengateways` plays them all and shows who was caught by what.
"""
