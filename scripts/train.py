"Fine-tune: python scripts/train.py --help, or torchrun --nproc_per_node 2 scripts/train.py …"

from shotluck.cli import finetune

finetune()
