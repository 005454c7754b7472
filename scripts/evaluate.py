"Predict and score: python scripts/evaluate.py --help"

from shotluck.cli import evaluate

evaluate()
