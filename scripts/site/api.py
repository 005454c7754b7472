"Pages of the API, from the docments of the package, and a page of all commands, from their parsers"

import argparse
import importlib
import inspect
import re
from html import escape

from fastcore.docments import docments
from notebooks import Notebook


def _quoted(text):  # Code in a cell of a table, which may hold a |
    return f'<code>{escape(" ".join(text.split()), quote=False).replace("|", "&#124;")}</code>'


def _cell(text):  # Text that cannot end a cell of a table, nor be taken for HTML or Markdown; `code` stays code
    parts = ' '.join(str(text).split()).split('`')
    if len(parts) % 2 == 0:  # a ` that has no other
        parts = ['&#96;'.join(parts)]
    plain = [re.sub(r'([|<>*_\[\]])', r'\\\1', part) for part in parts]
    return ''.join(_quoted(parts[i]) if i % 2 else plain[i] for i in range(len(parts)))


def _type_of(annotation):  # As it is written in the source
    if annotation in (inspect.Parameter.empty, None):
        return ''
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return _quoted(text.replace('pathlib.', '').replace('typing.', ''))


def _short(value, most=60):  # A default's `repr`
    text = getattr(value, '__name__', None) or repr(value)
    return text if len(text) <= most else text[: most - 1] + '…'


def parameter_table(
    obj,  # A function or a class
) -> str:
    "A table of the parameters with types, defaults and comments, and of what is returned; empty if there are none"
    found = docments(obj, full=True)
    found.pop('self', None)
    rows = []
    for name, about in found.items():
        is_return = name == 'return'
        if is_return and not (about.docment or about.anno not in (inspect.Parameter.empty, None)):
            continue
        given = about.get('default', inspect.Parameter.empty)
        default = '' if given is inspect.Parameter.empty else _quoted(_short(given))
        label = '**returns**' if is_return else f'`{name}`'
        rows.append([label, _type_of(about.anno), default, _cell(about.docment or '')])
    head = ['', 'type', 'default', '']
    if not any(row[2] for row in rows):  # no parameter has a default
        head = head[:2] + head[3:]
        rows = [row[:2] + row[3:] for row in rows]
    lines = [f'| {" | ".join(row)} |' for row in (head, ['---'] * len(head), *rows)]
    return '\n'.join(lines) if rows else ''


def _call(name, obj):  # How it is called, without types; empty if that is long, as the table says it too
    try:
        signature = inspect.signature(obj)
    except (TypeError, ValueError):
        return ''
    parts = []
    for parameter in signature.parameters.values():
        bare = parameter.replace(annotation=inspect.Parameter.empty)
        if parameter.default is not inspect.Parameter.empty and len(repr(parameter.default)) > 40:
            bare = bare.replace(default=Ellipsis)
        parts.append(str(bare))
    text = f'{name}({", ".join(part for part in parts if part != "self")})'
    return text if len(text) <= 100 else ''


def _methods(kind):  # Public methods that a class itself defines and describes
    for name, member in vars(kind).items():
        function = member.__func__ if isinstance(member, (classmethod, staticmethod)) else member
        if not name.startswith('_') and inspect.isfunction(function) and inspect.getdoc(function):
            yield name, function


def _entry(name, obj, level):  # Heading, call, docstring and table
    parts = [f'{"#" * level} `{name}`']
    if call := _call(name, obj):
        parts.append(f'```python\n{call}\n```')
    parts += [_cell(paragraph) for paragraph in (inspect.getdoc(obj) or '').split('\n\n')]
    try:
        parts.append(parameter_table(obj))
    except (OSError, TypeError):  # made at run time, so it has no source
        pass
    return [part for part in parts if part]


def api_page(
    notebook: Notebook,  # That exports a module
) -> str:
    "All that a module offers, as Markdown"
    module = importlib.import_module(f'shotluck.{notebook.module}')
    parts = [
        f'# `shotluck.{notebook.module}`',
        f'{notebook.about}. The notebook [{notebook.title}](../notebooks/{notebook.name}.md) explains it.',
    ]
    constants = []
    for name in getattr(module, '__all__', []):
        obj = getattr(module, name, None)
        if inspect.isclass(obj):
            parts += _entry(name, obj, 2)
            for method, function in _methods(obj):
                parts += _entry(f'{name}.{method}', function, 3)
        elif callable(obj):
            parts += _entry(name, obj, 2)
        elif obj is not None:
            constants.append(f'| `{name}` | {_quoted(_short(obj, 90))} |')
    if constants:
        parts += ['## Constants', '\n'.join(['| name | value |', '|---|---|', *constants])]
    return '\n\n'.join(parts) + '\n'


def _option_row(action):  # An option as a row
    names = ', '.join(action.option_strings) or action.dest
    says = re.sub(r' \(default: .*\)$', '', action.help or '')
    is_unset = action.default is None or action.default is False or action.default in ('', argparse.SUPPRESS)
    default = '' if is_unset else _quoted(str(action.default))
    return f'| {_quoted(names)} | {default} | {_cell(says)} |'


def commands_page() -> str:
    "Every command and its options, as Markdown"
    from shotluck.cli import COMMANDS, function_of, parser_of

    parts = [
        '# Commands',
        'Each stage is a command, and `shotluck STAGE …` calls the same. Options may be written with `-` or with `_` '
        'inside. Exit code 0: something was made and every input is accounted for; 1: something that was named failed '
        'or was lost; 2: wrong usage. `SHOTLUCK_DEBUG=1` adds the traceback to an error.',
    ]
    for command in COMMANDS:
        function = function_of(command)
        parser = parser_of(function, f'shotluck-{command}')
        parts += [f'## `shotluck-{command}`', _cell(inspect.getdoc(function) or '') + '.']
        for group in parser._action_groups:
            actions = [action for action in group._group_actions if action.dest not in ('help', 'pdb', 'xtra')]
            if not actions:
                continue
            if group.title not in ('options', 'positional arguments'):
                parts.append(f'**{group.title}**')
            parts.append(
                '\n'.join(['| option | default | what it does |', '|---|---|---|', *map(_option_row, actions)])
            )
    return '\n\n'.join(parts) + '\n'
