#!/usr/bin/env bash
# TinyLLaVA 2.0b (StableLM-2) by the paper's recipe; how to call it stands in _finetune.sh
MODEL=${MODEL:-2.0b} OUT=${OUT:-runs/shotluck-2.0b} CONTEXT=${CONTEXT:-3072}
source "$(dirname "${BASH_SOURCE[0]}")/_finetune.sh"
