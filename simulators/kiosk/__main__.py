"""`python -m connect_simulators.kiosk` is the command `kiosk-sim`."""

from .cli import main

main()
