#!/usr/bin/env python3
"""Turns what `tmux capture-pane -e -p` prints into an SVG picture: svg.py TITLE < text > picture.svg

Knows the escape sequences that tmux writes there: SGR with 16, 256 and 24-bit colours, bold, dim, underlined and reversed.
"""

import re
import sys
import unicodedata
from xml.sax.saxutils import escape

WIDTH, HEIGHT, SIZE = 8.4, 17, 14
FRONT, GROUND = "#d8dee9", "#1b1f27"
BASIC = ["#3b4252", "#bf616a", "#a3be8c", "#ebcb8b", "#81a1c1", "#b48ead", "#88c0d0", "#e5e9f0",
         "#7b88a1", "#e06c75", "#b5d29c", "#f2d79b", "#93b4d6", "#c7a3c2", "#9ad3e3", "#ffffff"]


def indexed(number):
    """The colour of one of the 256."""
    if number < 16:
        return BASIC[number]
    if number >= 232:
        level = 8 + (number - 232) * 10
        return f"#{level:02x}{level:02x}{level:02x}"
    number -= 16
    part = lambda n: 0 if n == 0 else 55 + 40 * n
    return f"#{part(number // 36):02x}{part(number // 6 % 6):02x}{part(number % 6):02x}"


class Style:
    def __init__(self):
        self.front, self.ground, self.bold, self.dim, self.under, self.reverse = None, None, False, False, False, False

    def apply(self, text):
        codes = [int(code or 0) for code in re.split("[;:]", text)]
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.__init__()
            elif code in (1, 2, 4, 7):
                setattr(self, {1: "bold", 2: "dim", 4: "under", 7: "reverse"}[code], True)
            elif code == 22:
                self.bold = self.dim = False
            elif code == 24:
                self.under = False
            elif code == 27:
                self.reverse = False
            elif code in (38, 48):
                kind = codes.pop(0)
                colour = indexed(codes.pop(0)) if kind == 5 else "#%02x%02x%02x" % tuple(codes.pop(0) for _ in range(3))
                setattr(self, "front" if code == 38 else "ground", colour)
            elif code == 39:
                self.front = None
            elif code == 49:
                self.ground = None
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self.front = BASIC[code % 10 + (8 if code >= 90 else 0)]
            elif 40 <= code <= 47 or 100 <= code <= 107:
                self.ground = BASIC[code % 10 + (8 if code >= 100 else 0)]

    def colours(self):
        front, ground = self.front or FRONT, self.ground
        return (ground or GROUND, front) if self.reverse else (front, ground)

    def key(self):
        return (*self.colours(), self.bold, self.dim, self.under)


def cells(line, style):
    """The letters of a line: (column, letter, columns it takes, style)."""
    column = 0
    for part in re.split("(\x1b\\[[0-9;:]*m)", line):
        if part.startswith("\x1b["):
            style.apply(part[2:-1])
            continue
        for letter in part:
            wide = 2 if unicodedata.east_asian_width(letter) in "WF" else 1
            yield column, letter, wide, style.key()
            column += wide


def runs(line, style):
    """Letters of one style that follow each other: (column, text, columns, style)."""
    run = None
    for column, letter, wide, key in cells(line, style):
        if run and run[3] == key:
            run = (run[0], run[1] + letter, run[2] + wide, key)
            continue
        if run:
            yield run
        run = (column, letter, wide, key)
    if run:
        yield run


def main():
    lines = sys.stdin.read().rstrip("\n").split("\n")
    style = Style()
    rows = [list(runs(line, style)) for line in lines]
    columns = max((run[0] + run[2] for row in rows for run in row), default=1)
    width, height = columns * WIDTH + 16, len(lines) * HEIGHT + 16
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" viewBox="0 0 {width:.0f} {height}">',
           f"<title>{escape(sys.argv[1])}</title>",
           f'<rect width="100%" height="100%" rx="6" fill="{GROUND}"/>',
           f'<g font-family="ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="{SIZE}" xml:space="preserve">']
    for place, row in enumerate(rows):
        y = 8 + place * HEIGHT
        for column, text, wide, (front, ground, bold, dim, under) in row:
            x = 8 + column * WIDTH
            if ground:
                out.append(f'<rect x="{x:.1f}" y="{y}" width="{wide * WIDTH:.1f}" height="{HEIGHT}" fill="{ground}"/>')
            # Spaces at the ends would be lost, and those within be one.
            left = len(text) - len(text.lstrip(" "))
            right = len(text) - len(text.rstrip(" "))
            if left == len(text):
                continue
            text, x, wide = text.strip(" ").replace(" ", "\u00a0"), x + left * WIDTH, wide - left - right
            more = (' font-weight="bold"' if bold else "") + (' opacity="0.6"' if dim else "") + (' text-decoration="underline"' if under else "")
            out.append(f'<text x="{x:.1f}" y="{y + 13}" textLength="{wide * WIDTH:.1f}" fill="{front}"{more}>{escape(text)}</text>')
    out.append("</g></svg>")
    print("\n".join(out))


main()
