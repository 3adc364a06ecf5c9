"""A hook of mkdocs: pages that live elsewhere in the repository join the site, and links to them hold there.

The README is the front page. A link that leaves ``docs/`` (``../benchmarks/loso_log.md``) is right in the
repository; on the site the same page stands under ``repository/``.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PLACES = {"README.md": "index.md", "config.toml": "reference/settings.md"}
"""What stands elsewhere on the site than its path says; the settings page shows the whole file."""
ELSEWHERE = (
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "benchmarks/*.md",
    "recognizer/weights/*.md",
    "spotting/weights/*.md",
)
_LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages from outside ``docs/``."""
    for path in (path for glob in ELSEWHERE for path in sorted(ROOT.glob(glob))):
        page = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, site_path(page), abs_src_path=str(ROOT / page)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links as they hold on the site."""
    here = page.file.src_uri
    if here == "index.md":
        page.meta["hide"] = ["navigation", "toc"]  # a README has no front matter of its own
    if here.startswith("repository/"):
        page.meta["search"] = {"boost": 0.2}  # logs name everything; whoever searches wants the pages first
    return _LINK.sub(lambda link: link[1] + moved(link[2], here) + (link[3] or "") + link[4], markdown)


def moved(link: str, here: str) -> str:
    """A link of the page ``here`` (its place on the site) between two places of the site."""
    if re.match(r"[a-z]+:", link):
        return link
    target = posixpath.normpath(posixpath.join(posixpath.dirname(repository_path(here)), link))
    return posixpath.relpath(site_path(target), posixpath.dirname(here) or ".")


def site_path(path: str) -> str:
    """Where a path of the repository stands on the site."""
    if path in PLACES:
        return PLACES[path]
    return path.removeprefix("docs/") if path.startswith("docs/") else f"repository/{path}"


def repository_path(page: str) -> str:
    """Where a page of the site stands in the repository."""
    if page == "index.md":
        return "README.md"
    return page.removeprefix("repository/") if page.startswith("repository/") else f"docs/{page}"
