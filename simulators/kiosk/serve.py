"""One kiosk with its screen, its journal and its printer, as a program of its own."""

from ..web.serving import PagesConfig, serve_pages
from .kiosk import Kiosk
from .pages import kiosk_app
from .printer import Printer

PRINTER_DIR = "printer"


async def serve_kiosk(config: PagesConfig, exit_with_fd: int | None = None) -> None:
    """Serves the kiosk of `config` until it is told to stop. JournalInUse where another process is this kiosk."""
    async with Kiosk.open(config.gateway, config.client, config.data_dir) as kiosk:
        app = kiosk_app(kiosk, Printer(config.data_dir / PRINTER_DIR), config.client.store_id or "")
        await serve_pages(app, config.host, config.port, exit_with_fd)
