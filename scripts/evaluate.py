"Predict and score: python scripts/evaluate.py --help"

from shotluck.evaluate import main

main()
