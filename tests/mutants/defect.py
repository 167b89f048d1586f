"""What a defect is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Defect:
    """One change of the gateway's source: `old`, which stands once in `file`, becomes `new`."""

    name: str
    about: str
    file: str
    old: str
    new: str
