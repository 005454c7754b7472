"""What mkdocs does beside its own: pages of notebooks and API, plots, and links that work in the repository too

Pages in docs/ link to `../nbs/53_caption.ipynb`, `../CONTRIBUTING.md` or `../bench/caption.py`, as they are found on
GitHub. On the site the first two are pages of it, and the third is the file in the repository.
"""

import re
from pathlib import Path

from api import api_page, commands_page
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File
from notebooks import ROOT, notebook_page, read_notebooks
from plots import PLOTS

ADDED = {'CONTRIBUTING.md': 'contributing.md', 'CHANGELOG.md': 'changelog.md', 'SECURITY.md': 'security.md'}
_state = {}  # made when the configuration is read, for one build: the notebooks, and the outputs that are HTML


def _find(nav, title):  # The list of pages under a title of the navigation
    return next(entry[title] for entry in nav if isinstance(entry, dict) and title in entry)


def on_config(config):
    "Put notebooks and modules into the navigation"
    notebooks = read_notebooks()
    _state.update(notebooks=notebooks, html={})
    pages, modules = {}, {}
    for notebook in notebooks:
        pages.setdefault(notebook.group, []).append({notebook.title: f'notebooks/{notebook.name}.md'})
        if notebook.module:
            entry = {notebook.module: f'api/{notebook.module}.md'}
            modules.setdefault(notebook.group, []).append(entry)
    _find(config.nav, 'Notebooks').extend({group: entries} for group, entries in pages.items())
    _find(config.nav, 'API').extend({group: entries} for group, entries in modules.items())
    return config


@event_priority(100)
def on_files(files, config):
    "Add the pages that no file in docs/ holds"
    url = config.extra["repository"]

    def add(name, content):
        files.append(File.generated(config, name, content=content))

    for notebook in _state['notebooks']:
        page = notebook_page(notebook, url)
        add(f'notebooks/{notebook.name}.md', page.text)
        _state['html'][f'notebooks/{notebook.name}.md'] = page.html
        for picture, content in page.pictures.items():
            add(f'notebooks/{picture}', content)
        if notebook.module:
            add(f'api/{notebook.module}.md', api_page(notebook))
    add('commands.md', commands_page())
    for source, name in ADDED.items():
        add(name, (ROOT / source).read_text(encoding='utf-8').replace('](', '](../').replace('](../http', '](http'))
    for name, plot in PLOTS.items():
        add(f'images/{name}.svg', plot())
    for picture in (ROOT / 'nbs' / 'images').iterdir():
        add(f'images/{picture.name}', picture.read_bytes())
    return files


def _linked(target, page, url):  # Where a link out of docs/ leads on the site
    path, sign, anchor = target.partition('#')
    if path.startswith('nbs/images/'):
        return 'images/' + path.removeprefix('nbs/images/')
    if path.startswith('docs/'):
        return path.removeprefix('docs/') + sign + anchor
    if path.startswith('nbs/') and path.endswith('.ipynb') and path != 'nbs/index.ipynb':
        return f'notebooks/{Path(path).stem}.md{sign}{anchor}'
    if path in ADDED:
        return ADDED[path] + sign + anchor
    if not (ROOT / path).exists():
        raise PluginError(f'{page}: links to ../{path}, which is not in the repository')
    return f'{url}/blob/main/{path}{sign}{anchor}'


def on_page_markdown(markdown, page, config, files):
    "Lead links out of docs/ to their place, and show the plots"
    name = page.file.src_uri
    if '/' in name:  # made above
        return markdown
    markdown = re.sub(
        r'\]\(\.\./([^)\s]+)\)', lambda found: f']({_linked(found[1], name, config.extra["repository"])})', markdown
    )
    return re.sub(r'<!-- plot: (\w+) (.+?) -->', r'![\2](images/\1.svg){ .plot }', markdown)


def on_page_content(html, page, config, files):
    "Put outputs that are HTML into their places"
    outputs = _state['html'].get(page.file.src_uri, [])
    return re.sub(
        r'<div data-output="(\d+)"></div>', lambda found: f'<div class="output">{outputs[int(found[1])]}</div>', html
    )
