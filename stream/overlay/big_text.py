"""The label in letters that can be read from across the room."""

from __future__ import annotations

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


def big_text(text: str, double: bool = False) -> list[str]:
    """The text in block letters: 3 lines high, or 5 with ``double``; all lines equally wide.

    A text with a letter that is not in ``LETTERS`` comes back as it is, on the middle one of the lines.
    """
    text = text.upper()
    height = 5 if double else 3
    if not set(text) <= LETTERS.keys():
        return [text if row == height // 2 else " " * len(text) for row in range(height)]
    rows = [".".join(LETTERS[letter][row] for letter in text) for row in range(5)]
    if double:
        return [row.replace("#", "██").replace(".", "  ") for row in rows]
    rows.append("." * len(rows[0]))
    return [
        "".join(HALVES[upper + lower] for upper, lower in zip(rows[top], rows[top + 1], strict=True))
        for top in (0, 2, 4)
    ]
