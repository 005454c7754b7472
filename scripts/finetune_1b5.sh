#!/usr/bin/env bash
# TinyLLaVA 1.5b (TinyLlama) by the paper's recipe; how to call it stands in _finetune.sh
MODEL=${MODEL:-1.5b} OUT=${OUT:-runs/shotluck-1.5b}
source "$(dirname "${BASH_SOURCE[0]}")/_finetune.sh"
