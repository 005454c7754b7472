"""Check every link of the built site: python scripts/site/check.py _docs

A link inside must lead to a file, and to a place in it if it names one. A link outside must be https with a host; it is
not fetched. Nothing that a page loads (scripts, styles, fonts, pictures) may come from another host.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

LOADS = {('script', 'src'), ('img', 'src'), ('iframe', 'src'), ('source', 'src'), ('video', 'src'), ('audio', 'src')}
LOADED_RELS = {'stylesheet', 'icon', 'preload', 'modulepreload', 'preconnect', 'dns-prefetch'}


class Link(NamedTuple):
    "A link of a page"

    target: str
    is_loaded: bool  # By the page itself, rather than by who clicks it


class Page(HTMLParser):
    "The links and the named places of one page"

    def __init__(self, html: str):
        super().__init__()
        self.links = []
        self.places = set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.places.update(found[name] for name in ('id', 'name') if found.get(name))
        for name in ('href', 'src'):
            if found.get(name):
                rels = set((found.get('rel') or '').split())
                is_loaded = (tag, name) in LOADS or (tag == 'link' and bool(rels & LOADED_RELS))
                self.links.append(Link(found[name], is_loaded))


def outside_fault(link: Link, parts) -> str:
    "What is wrong with a link to another host; empty: nothing"
    if parts.scheme in ('data', 'mailto'):
        return ''
    if link.is_loaded:
        return 'is loaded from another host'
    if parts.scheme not in ('http', 'https') or '.' not in parts.netloc or ' ' in link.target:
        return 'is no address'
    return ''


def inside_fault(target: str, place: str, root: Path, pages: dict) -> str:
    "What is wrong with a link to a path of the site; empty: nothing"
    file = root / unquote(target).lstrip('/')
    if file.is_dir():
        file = file / 'index.html'
    if not file.is_file():
        return 'leads to no file'
    if place and file.suffix == '.html' and unquote(place) not in pages[file].places and not place.startswith('__'):
        return 'leads to no place in the page'
    return ''


def faults(root: Path, base: str) -> list:
    "A line for each link that is wrong, and how many links there are; `base` is the site's own address"
    pages = {path: Page(path.read_text(encoding='utf-8')) for path in sorted(root.rglob('*.html'))}
    said, count = [], 0
    for path, page in pages.items():
        here = '/' + path.relative_to(root).as_posix().removesuffix('index.html')
        for link in page.links:
            count += 1
            target = link.target
            if target.startswith(base):
                target = '/' + target.removeprefix(base)
            elif path.name == '404.html' and target.startswith('/shotluck/'):  # served from anywhere
                target = target.removeprefix('/shotluck')
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                why = outside_fault(link, parts)
            else:
                inside = urlsplit(urljoin(here, target))
                why = inside_fault(inside.path, inside.fragment, root, pages)
            if why:
                said.append(f'{here}: {link.target[:120]} {why}')
    return said, count, len(pages)


def main():
    root = Path(sys.argv[1])
    said, count, pages = faults(root, 'https://shotluck.github.io/shotluck/')
    if said:
        sys.exit('\n'.join([*said, f'{len(said)} of {count} links are wrong']))
    print(f'{count} links on {pages} pages are right')


if __name__ == '__main__':
    main()
