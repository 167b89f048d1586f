"""Histories: what clients saw of a gateway, what was found afterwards, and whether the two can be true together.

Tests record each request of each client (`recording`), read everything once more at the end (`facts`) and let
`checker.check` accept the history or name the invariant that it breaks, with the shortest history that still breaks
it. Nothing here imports the gateway: what is right is written down a second time.
"""
