"""Conformance: judges a gateway from outside, over HTTP alone, by the scenario files of `protocol/scenarios/`.

Nothing here knows how the gateway of this project works inside; any other one is judged in the same way. The
language of the scenario files is described in `protocol/CONFORMANCE.md`.
"""
