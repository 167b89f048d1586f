"""What can go wrong with a measurement."""


class BenchError(Exception):
    """The run cannot go on, or a side did not do what it was measured for. The message is for who runs it."""


class NotHere(Exception):
    """Something that one side needs is not on this machine; the rows of that side are left out, and say so."""
