"""Reading papers back: two barcode readers that know nothing of each other, and the bars of a PDF at 203 dpi."""

import base64
import io
import re
import zlib

import zxingcpp
from PIL import Image, ImageDraw
from pyzbar import pyzbar

_GROUP_SEPARATOR = "\x1d"
"""How a reader that tells of FNC1 in its text does so."""

_TOKEN = re.compile(rb"\S+")


def barcodes_of(picture: bytes | Image.Image) -> list[tuple[str, str]]:
    """What both readers find, as (`CODE128` or `GS1-128`, digits), sorted; they have to agree on the digits."""
    image = picture if isinstance(picture, Image.Image) else Image.open(io.BytesIO(picture)).convert("L")
    found = zxingcpp.read_barcodes(image, text_mode=zxingcpp.TextMode.Plain)
    by_zxing = sorted(
        ("GS1-128" if one.symbology_identifier == "]C1" else "CODE128", one.text.lstrip(_GROUP_SEPARATOR))
        for one in found
    )
    by_zbar = sorted(one.data.decode("ascii").lstrip(_GROUP_SEPARATOR) for one in pyzbar.decode(image))
    assert sorted(digits for _, digits in by_zxing) == by_zbar
    return by_zxing


def bars_of_pdf(pdf: bytes, dpi: int = 203) -> Image.Image:
    """The filled rectangles of a one-page PDF of reportlab's: its barcodes, as a printer of so many dots has them."""
    (image,) = bars_of_pages(pdf, dpi)
    return image


def bars_of_pages(pdf: bytes, dpi: int = 203) -> list[Image.Image]:
    """The same of every page that has any."""
    page = re.search(rb"/MediaBox \[ 0 0 ([0-9.]+) ([0-9.]+) \]", pdf)
    assert page is not None
    width, height = (round(float(side) * dpi / 72) for side in page.groups())
    return [_drawn(content, width, height, dpi / 72) for content in _contents(pdf)]


def _drawn(content: bytes, width: int, height: int, scale: float) -> Image.Image:
    image = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(image)
    for left, bottom, wide, high in _rectangles(content):
        edges = (left * scale, height - (bottom + high) * scale, (left + wide) * scale, height - bottom * scale)
        x0, y0, x1, y1 = (round(edge) for edge in edges)
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), fill=0)
    return image


def _contents(pdf: bytes) -> list[bytes]:
    streams = re.findall(rb"/ASCII85Decode /FlateDecode \][^>]*>>\s*stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    decoded = [zlib.decompress(base64.a85decode(b"<~" + stream.strip(), adobe=True)) for stream in streams]
    return [one for one in decoded if b" re" in one]


def _rectangles(content: bytes) -> list[tuple[float, float, float, float]]:
    """Each `x y w h re`, moved by the translations (`1 0 0 1 x y cm`) that hold where it stands."""
    found = []
    offsets = [(0.0, 0.0)]
    operands: list[bytes] = []
    for token in _TOKEN.findall(content):
        match token:
            case b"q":
                offsets.append(offsets[-1])
            case b"Q":
                offsets.pop()
            case b"cm":
                right, up = (float(one) for one in operands[-2:])
                offsets[-1] = (offsets[-1][0] + right, offsets[-1][1] + up)
            case b"re":
                left, bottom, wide, high = (float(one) for one in operands[-4:])
                found.append((left + offsets[-1][0], bottom + offsets[-1][1], wide, high))
        operands.append(token)
    return found
