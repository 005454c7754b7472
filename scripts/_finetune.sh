# The paper's recipe (Shotluck-Holmes, arXiv 2405.20648), sourced by finetune_{1b5,2b0,3b1}.sh, which set MODEL and OUT: one epoch at 2e-5, cosine, 3 % warm-up, no weight decay, fp16, ZeRO-3, tower frozen, 2 records a GPU and step.
# Two things differ: frames are pooled to 81 tokens and 8 are shown of a shot (16 of several), as its 120 frames x 729 tokens fit no context.
#   bash scripts/finetune_1b5.sh                                                     one node, all its GPUs
#   NODES=2 NODE=0 HEAD=10.0.0.1:29500 bash scripts/finetune_1b5.sh                  several: the same on each, with NODE from 0; data and out on a shared folder
# MODEL, DATA, OUT and GPUS can be set as well; more flags are handed on, as in: bash scripts/finetune_1b5.sh --dtype bfloat16 --report_to tensorboard
# Stopped runs go on where their last checkpoint was.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
GPUS=${GPUS:-$(python -c 'import torch; print(torch.cuda.device_count())')}
[ "$GPUS" -gt 0 ] || { echo "$(basename "$0") needs GPUs, and none was found; on a CPU try: shotluck-finetune --model nano"; exit 1; }
if [ "${NODES:-1}" -gt 1 ]; then meet=(--nnodes "$NODES" --node_rank "${NODE:?the number of this node, from 0}" --rdzv_backend static --master_addr "${HEAD%:*}" --master_port "${HEAD##*:}"); else meet=(--standalone); fi
exec torchrun "${meet[@]}" --nproc_per_node "$GPUS" scripts/train.py --model "$MODEL" --data "${DATA:-data}" --out "$OUT" \
    --pool 3 --frames 8 --epochs 1 --lr 2e-5 --schedule cosine --warmup .03 --weight_decay 0 --batch 1 --accumulate 2 --context 3072 \
    --dtype float16 --checkpointing --deepspeed scripts/zero3.json --cache disk --save_steps 500 --save_total 2 "$@"
