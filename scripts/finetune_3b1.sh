#!/usr/bin/env bash
# TinyLLaVA 3.1b (Phi-2) by the paper's recipe; how to call it stands in _finetune.sh
MODEL=${MODEL:-3.1b} OUT=${OUT:-runs/shotluck-3.1b}
source "$(dirname "${BASH_SOURCE[0]}")/_finetune.sh"
