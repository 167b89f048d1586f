"""Breaking a gateway on purpose: processes that die, a network that loses and doubles, an ECMS that lies.

`python -m torture` runs it all against two gateway processes; `python -m torture.crashes` lets one die at each of its
crash points. Both hand what the clients saw to the checker in `history`.
"""
