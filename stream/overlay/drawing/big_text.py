"""The label in letters that are readable from across the room."""

from __future__ import annotations

from enum import Enum

# Five rows a letter. Only the letters of the four labels, and the blank.
LETTERS = {
    " ": (".", ".", ".", ".", "."),
    "A": (".#.", "#.#", "###", "#.#", "#.#"),
    "C": ("###", "#..", "#..", "#..", "###"),
    "E": ("###", "#..", "##.", "#..", "###"),
    "G": ("####", "#...", "#.##", "#..#", "####"),
    "I": ("#", "#", "#", "#", "#"),
    "N": ("#..#", "##.#", "#.##", "#..#", "#..#"),
    "O": ("###", "#.#", "#.#", "#.#", "###"),
    "P": ("###", "#.#", "###", "#..", "#.."),
    "R": ("###", "#.#", "##.", "#.#", "#.#"),
    "S": ("###", "#..", "###", "..#", "###"),
    "T": ("###", ".#.", ".#.", ".#.", ".#."),
    "U": ("#.#", "#.#", "#.#", "#.#", "###"),
    "V": ("#.#", "#.#", "#.#", "#.#", ".#."),
    "▼": ("#####", "#####", ".###.", ".###.", "..#.."),
    "▲": ("..#..", ".###.", ".###.", "#####", "#####"),
    "◆": ("..#..", ".###.", "#####", ".###.", "..#.."),
    "?": ("###.", "...#", ".##.", "....", ".#.."),
}
HALVES = {"..": " ", "#.": "▀", ".#": "▄", "##": "█"}


class Letters(Enum):
    """How large a letter of 5 × 3 dots is, in rows × columns of characters."""

    half = "3 × 3, in half blocks"
    plain = "5 × 3, for terminals without half blocks"
    double = "5 × 6"

    @property
    def rows(self) -> int:
        """Lines of text."""
        return 3 if self is Letters.half else 5


def big_text(text: str, letters: Letters = Letters.half) -> list[str]:
    """The text in block letters, ``letters.rows`` lines that are all equally wide.

    A text with a letter that is not in ``LETTERS`` is returned unchanged, on the middle line.
    """
    text = text.upper()
    height = letters.rows
    if not set(text) <= LETTERS.keys():
        return [text if row == height // 2 else " " * len(text) for row in range(height)]
    rows = [".".join(LETTERS[letter][row] for letter in text) for row in range(5)]
    if letters is not Letters.half:
        times = 2 if letters is Letters.double else 1
        return [row.replace("#", "█" * times).replace(".", " " * times) for row in rows]
    rows.append("." * len(rows[0]))
    return [
        "".join(HALVES[upper + lower] for upper, lower in zip(rows[top], rows[top + 1], strict=True))
        for top in (0, 2, 4)
    ]
