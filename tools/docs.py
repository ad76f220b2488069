"""Read the Markdown documents, check what they link to, and build them as pages of HTML.

    python -m tools.docs check        name each link that leads nowhere
    python -m tools.docs site FOLDER  check, then write the pages

Links are as a reader of the repository follows them: relative paths, and headings by the anchors
that code forges give them. The pages need no script and nothing from another origin.
"""

from __future__ import annotations

import html
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

ROOT = Path(__file__).resolve().parent.parent
FRONT = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
OUTSIDE = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)
STYLE = """
:root { color-scheme: light dark; --ink: #1c2128; --paper: #fdfdfb; --line: #d8dbe0;
  --link: #0b5cad; --code: #f1f2f4 }
@media (prefers-color-scheme: dark) { :root { --ink: #dfe3e8; --paper: #14171b; --line: #343a42;
  --link: #7ab8ff; --code: #1e2329 } }
body { margin: 0; color: var(--ink); background: var(--paper); font: 1rem/1.6 system-ui, sans-serif;
  display: grid; grid-template-columns: minmax(12rem, 17rem) minmax(0, 50rem); gap: 3rem }
nav { border-right: 1px solid var(--line); padding: 1.5rem; font-size: .95rem; min-height: 100vh }
nav ul { list-style: none; padding: 0; margin: 0 0 1rem }
nav [aria-current] { font-weight: 600 }
main { padding: 1.5rem 1rem 4rem }
a { color: var(--link) }
pre, code { background: var(--code); font-family: ui-monospace, monospace; font-size: .9em }
pre { padding: .8rem 1rem; overflow-x: auto; border-radius: .3rem }
code { padding: .1em .3em; border-radius: .2em }
pre code { padding: 0 }
table { border-collapse: collapse; display: block; overflow-x: auto }
th, td { border: 1px solid var(--line); padding: .35rem .7rem; text-align: left }
td { vertical-align: top }
@media (max-width: 50rem) { body { display: block } nav { min-height: 0; border: 0 } }
"""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block: `language` and `marks` are the words after the fence."""

    line: int
    language: str
    marks: tuple[str, ...]
    text: str


@dataclass(frozen=True, kw_only=True)
class Link:
    """A link or an image, as written."""

    line: int
    target: str


@dataclass(frozen=True)
class Document:
    """One Markdown file."""

    path: Path

    @cached_property
    def tokens(self) -> list[Token]:
        """What the parser makes of it."""
        return MarkdownIt("commonmark").enable("table").parse(self.path.read_text())

    @property
    def name(self) -> str:
        """Its path in the repository."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def title(self) -> str:
        """Its first heading."""
        return next((text for text, _, _ in self.headings()), self.path.stem)

    def blocks(self) -> Iterator[Block]:
        """Give its fenced blocks in order."""
        for token in self.tokens:
            if token.type == "fence":
                language, *marks = token.info.split() or [""]
                line = token.map[0] + 1 if token.map else 0
                yield Block(line=line, language=language, marks=tuple(marks), text=token.content)

    def links(self) -> Iterator[Link]:
        """Give its links and images in order."""
        for token in self.tokens:
            line = token.map[0] + 1 if token.map else 0
            for child in token.children or ():
                target = child.attrGet("href") or child.attrGet("src")
                if target is not None:
                    yield Link(line=line, target=str(target))

    def headings(self) -> Iterator[tuple[str, str, Token]]:
        """Give the text, the anchor and the opening token of each heading."""
        seen: Counter[str] = Counter()
        for opening, inline in zip(self.tokens, self.tokens[1:], strict=False):
            if opening.type == "heading_open":
                text = "".join(c.content for c in inline.children or () if c.content)
                slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
                anchor = f"{slug}-{seen[slug]}" if seen[slug] else slug
                seen[slug] += 1
                yield text, anchor, opening


def documents() -> list[Document]:
    """Return every document: those at the top, then those in docs/."""
    front = [ROOT / name for name in FRONT if (ROOT / name).exists()]
    return [Document(path) for path in [*front, *sorted((ROOT / "docs").rglob("*.md"))]]


def broken_links(document: Document) -> list[str]:
    """Name the links of a document that lead nowhere in this repository."""
    return [
        f"{document.name}:{link.line}: {link.target}: {problem}"
        for link in document.links()
        if (problem := _problem(document, link.target))
    ]


def _problem(document: Document, target: str) -> str | None:
    if OUTSIDE.match(target):
        return None
    path, _, anchor = unquote(target).partition("#")
    if path.startswith("/"):
        return "absolute path"
    found = (document.path.parent / path).resolve() if path else document.path
    if not found.is_relative_to(ROOT):
        return "outside of the repository"
    if not found.exists():
        return "no such file"
    if not anchor or found.suffix != ".md":
        return None
    anchors = {slug for _, slug, _ in Document(found).headings()}
    return None if anchor in anchors else "no such heading"


# Pages


def page_name(document: Document) -> str:
    """Return where the page of a document goes."""
    path = PurePosixPath(document.name)
    if path.as_posix() == "docs/README.md":
        return "contents.html"
    inside = path.relative_to("docs") if path.parts[0] == "docs" else path
    return inside.with_name(
        "index.html" if path.stem == "README" else f"{path.stem}.html"
    ).as_posix()


def page(document: Document, others: list[Document]) -> str:
    """Return the page of a document as HTML."""
    here = page_name(document)
    up = "../" * (len(PurePosixPath(here).parts) - 1)
    renderer = MarkdownIt("commonmark", {"highlight": coloured}).enable("table")
    for _, anchor, opening in document.headings():
        opening.attrSet("id", anchor)
    for token in document.tokens:
        for child in token.children or ():
            if isinstance(href := child.attrGet("href"), str):
                child.attrSet("href", page_link(document, href, up))
    body = renderer.renderer.render(document.tokens, renderer.options, {})
    current = {here: ' aria-current="page"'}
    entries = "".join(
        f'<li><a href="{up}{page_name(o)}"{current.get(page_name(o), "")}>'
        f"{html.escape(o.title)}</a></li>"
        for o in others
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(document.title)}</title>"
        f'<link rel="stylesheet" href="{up}style.css"></head>'
        f"<body><nav><ul>{entries}</ul></nav><main>{body}</main></body></html>\n"
    )


def page_link(document: Document, target: str, up: str) -> str:
    """Return a link of a document as its page has it."""
    path, mark, anchor = target.partition("#")
    if OUTSIDE.match(target) or not path.endswith(".md"):
        return target
    found = Document((document.path.parent / path).resolve())
    return f"{up}{page_name(found)}{mark}{anchor}"


def coloured(code: str, language: str, _: str) -> str:
    """Return code as coloured HTML, or nothing where the language is not known."""
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return ""
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))


def colours() -> str:
    """Return the style sheet of coloured code, for light and for dark."""
    light = HtmlFormatter(style="default").get_style_defs("pre")
    dark = HtmlFormatter(style="github-dark").get_style_defs("pre")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def build(folder: Path) -> int:
    """Write the pages of every document; return how many."""
    every = documents()
    for document in every:
        target = folder / page_name(document)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page(document, every))
    (folder / "style.css").write_text(colours() + STYLE)
    return len(every)


def main(arguments: list[str]) -> int:
    """Serve `tools.docs check` and `tools.docs site FOLDER`."""
    found = [problem for document in documents() for problem in broken_links(document)]
    print("\n".join(found), end="\n" if found else "")
    match arguments:
        case ["check"]:
            return bool(found)
        case ["site", folder] if not found:
            print(f"{build(ROOT / folder)} pages in {folder}/")
            return 0
        case ["site", _]:
            return 1
    print("usage: tools.docs check | site FOLDER", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
