"Everything is set in settings.ini; edit there, not here"
from configparser import ConfigParser
from pathlib import Path
import re
import setuptools

here = Path(__file__).parent
config = ConfigParser(delimiters=['='])
config.read(here/'settings.ini', encoding='utf-8')
cfg = config['DEFAULT']
extras = {k.removeprefix('extra_'):v.split() for k,v in cfg.items() if k.startswith('extra_')}

def absolute(readme):
    "README with links that also lead somewhere on PyPI: pictures to the file itself, the rest to its page on GitHub"
    raw = cfg['git_url'].replace('https://github.com', 'https://raw.githubusercontent.com')
    readme = re.sub(r'!\[([^\]]*)\]\((?!https?:|#)', rf'![\1]({raw}/{cfg["branch"]}/', readme)
    return re.sub(r'\]\((?!https?:|#)', f"]({cfg['git_url']}/blob/{cfg['branch']}/", readme)

setuptools.setup(
    name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'],
    author=cfg['author'], author_email=cfg['author_email'], url=cfg['git_url'], license='Apache-2.0',
    long_description=absolute((here/'README.md').read_text(encoding='utf-8')), long_description_content_type='text/markdown',
    project_urls={'Documentation':cfg['doc_host']+cfg['doc_baseurl']+'/', 'Changes':cfg['git_url']+'/blob/main/CHANGELOG.md', 'Issues':cfg['git_url']+'/issues'},
    classifiers=['Development Status :: 3 - Alpha', 'Intended Audience :: Science/Research', 'Programming Language :: Python :: 3',
        'Topic :: Multimedia :: Video', 'Topic :: Scientific/Engineering :: Artificial Intelligence', 'Typing :: Typed'],
    packages=setuptools.find_namespace_packages(include=['shotluck', 'shotluck.*']), include_package_data=True,
    package_data={'shotluck':['data/**/*', 'py.typed']}, python_requires='>='+cfg['min_python'], zip_safe=False,
    install_requires=cfg['requirements'].split(), extras_require={**extras, 'dev':cfg['dev_requirements'].split()},
    entry_points={'console_scripts':cfg['console_scripts'].split(), 'nbdev':[f"{cfg['lib_path']}={cfg['lib_path']}._modidx:d"]})
