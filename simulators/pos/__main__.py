"""`python -m connect_simulators.pos` is the command `pos-sim`."""

from .cli import main

main()
