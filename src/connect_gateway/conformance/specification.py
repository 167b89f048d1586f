"""The specification's rules, read from `SPEC.md`: their numbers, in order, and what they say."""

import re
from importlib.resources import files

_RULE = re.compile(r"^- \*\*([A-Z]{2,8}-[0-9]{1,3})\*\* (.*(?:\n  .*)*)", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")


def rule_texts() -> dict[str, str]:
    """Every rule of the installed specification as plain text, by its number."""
    return read_rules((files("connect_protocol") / "SPEC.md").read_text(encoding="utf-8"))


def read_rules(text: str) -> dict[str, str]:
    """The rules of a specification's text: each a list item that begins with its number in bold."""
    found: dict[str, str] = {}
    for match in _RULE.finditer(text):
        if match[1] in found:
            raise ValueError(f"the specification has two rules {match[1]}")
        found[match[1]] = _LINK.sub(r"\1", " ".join(match[2].split())).replace("`", "").replace("**", "")
    return found
