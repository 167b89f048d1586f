"""`python -m connect_simulators.ecms` is the command `ecms-sim`."""

from .cli import main

if __name__ == "__main__":
    main()
