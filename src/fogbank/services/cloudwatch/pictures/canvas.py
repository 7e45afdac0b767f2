"""Drawing: shapes at several times the size, made small again so that they are smooth; text at its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from typing import Any

from PIL import Image, ImageColor, ImageDraw, ImageFont

SMOOTH = 3
LONGEST_TEXT = 500
Place = tuple[float, float]
INK, FAINT, RULE, PAPER = "#16191f", "#687078", "#e4e7ea", "#ffffff"


@lru_cache(16)
def font(size: int) -> Any:
    return ImageFont.load_default(size)


@lru_cache(512)
def _color(name: str, opacity: float) -> tuple[int, int, int, int]:
    red, green, blue, *_ = ImageColor.getrgb(name)
    return red, green, blue, round(255 * opacity)


def known_color(name: object, otherwise: str) -> str:
    """A colour as it is written in a widget, or another one if it is none."""
    try:
        ImageColor.getrgb(str(name))
    except ValueError:
        return otherwise
    return str(name)


class Canvas:
    """Shapes are laid over each other in the order in which they are drawn; all text lies over them."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._shapes = Image.new("RGB", (width * SMOOTH, height * SMOOTH), PAPER)
        self._texts: list[tuple[Place, str, int, str, str]] = []
        self._pen = ImageDraw.Draw(self._shapes, "RGBA")

    def line(self, places: Sequence[Place], color: str, width: float = 1.5, opacity: float = 1.0) -> None:
        scaled = [(x * SMOOTH, y * SMOOTH) for x, y in places]
        self._pen.line(scaled, fill=_color(color, opacity), width=max(round(width * SMOOTH), 1), joint="curve")

    def dashed(self, begin: Place, end: Place, color: str, dash: float = 5) -> None:
        length = max(abs(end[0] - begin[0]), abs(end[1] - begin[1]), 1.0)
        steps = int(length / dash)
        for n in range(0, steps + 1, 2):
            a, b = n * dash / length, min((n + 1) * dash / length, 1.0)
            places = [(begin[0] + (end[0] - begin[0]) * part, begin[1] + (end[1] - begin[1]) * part) for part in (a, b)]
            self.line(places, color, 1.2)

    def area(self, places: Sequence[Place], color: str, opacity: float) -> None:
        if len(places) > 2:
            self._pen.polygon([(x * SMOOTH, y * SMOOTH) for x, y in places], fill=_color(color, opacity))

    def box(self, left: float, top: float, right: float, bottom: float, color: str, opacity: float = 1.0) -> None:
        corners = [(min(left, right) * SMOOTH, min(top, bottom) * SMOOTH), (max(left, right) * SMOOTH, max(top, bottom) * SMOOTH)]
        self._pen.rectangle(corners, fill=_color(color, opacity))

    def dot(self, place: Place, color: str, radius: float = 2.5) -> None:
        x, y = place[0] * SMOOTH, place[1] * SMOOTH
        self._pen.ellipse([x - radius * SMOOTH, y - radius * SMOOTH, x + radius * SMOOTH, y + radius * SMOOTH], fill=_color(color, 1))

    def slice(self, middle: Place, radius: float, begin: float, end: float, color: str) -> None:
        x, y, size = middle[0] * SMOOTH, middle[1] * SMOOTH, max(radius, 0) * SMOOTH
        self._pen.pieslice(
            [x - size, y - size, x + size, y + size], begin, end, fill=_color(color, 1), outline=_color(PAPER, 1), width=SMOOTH
        )

    def text(self, place: Place, text: str, size: int = 11, color: str = FAINT, anchor: str = "la") -> None:
        """`anchor` as Pillow has it: l, m or r; then a (top), m, or d (bottom)."""
        self._texts.append((place, drawable(text), size, color, anchor))

    def png(self) -> bytes:
        image = self._shapes.resize((self.width, self.height), Image.Resampling.BOX)
        pen = ImageDraw.Draw(image)
        for place, text, size, color, anchor in self._texts:
            pen.text(place, text, fill=color, font=font(size), anchor=anchor)
        out = BytesIO()
        image.save(out, "PNG")
        return out.getvalue()


def drawable(text: str) -> str:
    """A text as one line, of a length that any picture is too narrow for."""
    return " ".join(text[:LONGEST_TEXT].split())


@lru_cache(4096)
def width_of(text: str, size: int = 11) -> float:
    return float(font(size).getlength(drawable(text)))


def fitted(text: str, room: float, size: int = 11) -> str:
    """As much of a text as there is room for."""
    text = drawable(text)
    if width_of(text, size) <= room:
        return text
    while text and width_of(text + "…", size) > room:
        text = text[:-1]
    return text + "…"
