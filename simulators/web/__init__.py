"""What the pages of the simulators share: their look, their scripts and how they are served."""

from .pages import LANGUAGE_COOKIE, page, setup_pages
from .serving import PagesConfig, read_pages_config, serve_pages
from .texts import LANGUAGES, Texts

__all__ = [
    "LANGUAGES",
    "LANGUAGE_COOKIE",
    "PagesConfig",
    "Texts",
    "page",
    "read_pages_config",
    "serve_pages",
    "setup_pages",
]
