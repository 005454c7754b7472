"Notebooks as pages of the docs site: their text, code and kept outputs; nothing is run"

import base64
import json
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DECADES = {
    '0': 'Ground',
    '1': 'Data',
    '2': 'Models',
    '3': 'Training',
    '4': 'Evaluation',
    '5': 'Captioning',
    '9': 'Demo and commands',
}
_FLAG = re.compile(r'^#\| .*\n?', re.MULTILINE)


class Notebook(NamedTuple):
    "A notebook as the site knows it"

    name: str  # Of its file, without the ending
    title: str
    about: str  # What it is for, in one line
    module: str  # That is exported from it; empty: none
    cells: list

    @property
    def group(self) -> str:
        "The part of the project it belongs to"
        return DECADES.get(self.name[0], 'Begin here')


class NotebookPage(NamedTuple):
    "What a notebook becomes"

    text: str  # Markdown
    html: list  # Outputs that are HTML, in the places of `<div data-output="k"></div>`
    pictures: dict  # name -> bytes


def read_notebook(
    path: Path,  # Of the notebook
) -> Notebook:
    "A notebook with its title, its one line and its module"
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    for cell in cells:
        cell['source'] = ''.join(cell['source'])
    first = cells[0]['source'].splitlines()
    title = first[0].removeprefix('# ').strip()
    about = next((line[2:].strip() for line in first if line.startswith('> ')), '')
    flags = [re.match(r'#\| default_exp (\w+)', cell['source']) for cell in cells]
    module = next((found[1] for found in flags if found), '')
    return Notebook(path.stem, title, about, module, cells)


def read_notebooks() -> list:
    "All notebooks but README's, those that export nothing and are for newcomers first"
    found = [read_notebook(path) for path in sorted((ROOT / 'nbs').glob('*.ipynb')) if path.stem != 'index']
    return sorted(found, key=lambda notebook: (notebook.name[0].isdigit(), notebook.name))


def _fenced(text, language='', options=''):  # A block of code that may itself hold fences
    longest = max((len(run) for run in re.findall('`{3,}', text)), default=2)
    fence = '`' * (longest + 1)
    head = f'{{ .{language or "text"} {options} }}'.replace('  ', ' ')
    return f'{fence} {head}\n{text.rstrip()}\n{fence}'


def _is_hidden(cell):  # What is a test and not teaching, and lines that mean something only to nbdev
    return cell['source'].startswith(('#| hide', '#| default_exp')) or not cell['source'].strip()


def _without_empty_tests(cells):  # A title under which all cells are hidden is left out
    last = cells[-1] if cells else None
    while last and last['cell_type'] == 'markdown' and re.match(r'#+ Tests', last['source']):
        cells = cells[:-1]
        last = cells[-1] if cells else None
    return cells


def _output(data, page, name):  # One output as markdown; HTML and pictures are kept in `page`
    for kind, ending in (('image/png', 'png'), ('image/jpeg', 'jpg')):
        if kind in data:
            picture = f'{name}-{len(page.pictures)}.{ending}'
            page.pictures[picture] = base64.b64decode(''.join(data[kind]))
            return f'![Output of the cell above]({picture})'
    if 'text/html' in data:
        html = re.sub(r'<style.*?</style>', '', ''.join(data['text/html']), flags=re.DOTALL)
        page.html.append(html.replace('border="1" ', ''))
        return f'<div data-output="{len(page.html) - 1}"></div>'
    return _fenced(''.join(data.get('text/plain', '')), options='.output data-search-exclude')


def _code(cell, page, name):  # A cell of code and its outputs as parts of the page
    exported = cell['source'].startswith('#| export')
    # what is exported is found in the pages of the API, and need not be found twice
    parts = [_fenced(_FLAG.sub('', cell['source']), 'python', 'data-search-exclude')]
    if exported:
        parts[0] = parts[0].replace('.python ', '.python .exported ', 1)
    for output in cell.get('outputs', []):
        if output['output_type'] == 'stream':
            parts.append(_fenced(''.join(output['text']), options='.output data-search-exclude'))
        elif 'data' in output:
            parts.append(_output(output['data'], page, name))
    return parts


def notebook_page(
    notebook: Notebook,  # To show
    url: str,  # Of the repository
) -> NotebookPage:
    "A notebook as Markdown, with links to its source"
    page = NotebookPage('', [], {})
    source = f'{url}/blob/main/nbs/{notebook.name}.ipynb'
    colab = source.replace('https://github.com/', 'https://colab.research.google.com/github/')
    links = [f'[Source]({source})', f'[Open in Colab]({colab})']
    if notebook.module:
        links.insert(0, f'[`shotluck.{notebook.module}`](../api/{notebook.module}.md)')
    parts = []
    for cell in _without_empty_tests([cell for cell in notebook.cells if not _is_hidden(cell)]):
        parts += [cell['source']] if cell['cell_type'] == 'markdown' else _code(cell, page, notebook.name)
    parts[0] = parts[0].replace('\n', '\n\n' + ' · '.join(links) + '\n{ .links }\n', 1)
    text = re.sub(r'\]\((\w+)\.ipynb(#[^)]*)?\)', r'](\1.md\2)', '\n\n'.join(parts))
    text = text.replace('](images/', '](../images/')
    return page._replace(text=text + '\n')
