"""`python -m connect_gateway`, the same as the command `connect-gateway`."""

from connect_gateway.cli import main

if __name__ == "__main__":
    main()
