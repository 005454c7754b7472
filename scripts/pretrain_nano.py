"Make `nano` from nothing and write down how: python scripts/pretrain_nano.py"

from pathlib import Path

from fastcore.script import call_parse

from shotluck.files import write_json
from shotluck.nano import pretrain


@call_parse
def main(
    out: str = 'shotluck/data/nano',  # Folder for the checkpoint
    report: str = 'bench/pretrain_nano.json',  # Where seed, data hash, minutes and the weights' sha256 go
    pictures: int = 48000,  # Stills to learn from
    tower_steps: int = 3000,  # Steps of 64 pictures for the tower
    word_steps: int = 600,  # Steps of 64 pictures for the language model
    seed: int = 0,  # The same seed on the same machine gives the same weights
):
    "Pretrain nano on single still pictures of shapes"
    made = pretrain(out, pictures, tower_steps, word_steps, seed)
    write_json(Path(report), made)
    print(f"{out}: {made['minutes']} minutes, {made['accuracy']}, unseen pairs {made['unseen']}")
