#!/bin/bash
# Packages that a machine with a GPU, torch and transformers, but no network, lacks for bench/gpu.py, as one archive:
#
#     bash bench/gpu_site.sh site.tar.xz              # here
#     mkdir site && tar -xf site.tar.xz -C site       # there
#     PYTHONPATH=site:. python bench/gpu.py
#
# For Python 3.12 and CUDA 13 on x86-64; bitsandbytes' libraries for other versions of CUDA are left out.
set -euo pipefail
out=$(realpath "${1:?name of the archive}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pin() { grep -i "^$1==" "$(dirname "$0")/../constraints.txt"; }
platforms=()
for n in 2_28 2_27 2_24 2_17 2_5; do platforms+=(--platform "manylinux_${n}_x86_64"); done
python -m pip download -q --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
    "${platforms[@]}" --platform manylinux2014_x86_64 --platform manylinux1_x86_64 -d "$work" \
    "$(pin transformers)" "$(pin huggingface_hub)" "$(pin tokenizers)" "$(pin fastcore)" "$(pin av)" "$(pin peft)" \
    "$(pin accelerate)" "$(pin scenedetect-headless)" "$(pin Pebble)" "$(pin indexed_gzip)" "$(pin orjson)" \
    "$(pin pysubs2)" "$(pin filelock)" "$(pin ffmpeg-python)" future bitsandbytes \
    "$(pin nbdev)" "$(pin execnb)" "$(pin ghapi)" ipython traitlets decorator jedi parso matplotlib_inline pexpect \
    ptyprocess prompt_toolkit wcwidth stack_data executing asttokens pure_eval \
    hjson pydantic pydantic_core annotated_types typing_inspection py-cpuinfo
DS_BUILD_OPS=0 python -m pip wheel -q --no-build-isolation --no-deps -w "$work" "$(pin deepspeed)"
mkdir "$work/site"
for wheel in "$work"/*.whl; do
    python -m zipfile -e "$wheel" "$work/site"
done
find "$work/site/bitsandbytes" -name '*.so' ! -name '*cpu.so' ! -name '*cuda130.so' -delete
tar -C "$work/site" -cf - . | xz -T0 -6 > "$out"
echo "$out: $(($(stat -c %s "$out") / 1048576)) MiB"
