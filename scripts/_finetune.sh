# The paper's recipe (Shotluck-Holmes, arXiv 2405.20648), sourced by finetune_{1b5,2b0,3b1}.sh, which set MODEL, OUT and CONTEXT.
#   bash scripts/finetune_1b5.sh                                                     one node, all its GPUs
#   NODES=2 NODE=0 HEAD=10.0.0.1:29500 bash scripts/finetune_1b5.sh                  several: the same on each, with NODE from 0; data and out on a shared folder
# MODEL, DATA, OUT and GPUS can be set as well; more flags are handed on, as in: bash scripts/finetune_1b5.sh --dtype bfloat16 --report_to tensorboard
# Stopped runs go on where their last checkpoint was.
#
# The same as in the reference: one epoch at 2e-5, cosine, 3 % warm-up, no weight decay, fp16, ZeRO-3, gradient checkpointing, tower frozen, projector and language model trained, shots and whole videos mixed in random order,
# and 8 records a step on any number of GPUs: one a GPU, with gradients added up over 8/GPUS micro-steps (the reference: 4 GPUs, 2 micro-steps).
# Different, and the flag that gives the reference's choice where there is one:
#   the video reaches the language model                      (in the reference's code it does not)
#   8 frames of a shot, 16 of several, 81 tokens each         --pool 1 for 729 tokens a frame, with as many frames as fit; its 120 frames of 729 fit in no context
#   context: the language model's positions, at most 3072     none: 3072 is beyond the 2048 positions of 1.5b and 3.1b, and refused
#   one prompt in ten without its speech                      --drop_speech 0
#   narrations are learnt too, where there are any            --tasks caption,summary
#   gradients longer than 1 are scaled down                   --max_grad_norm 0: DeepSpeed clips nothing unless its JSON says so, and LLaVA's, which the reference follows, does not
#   every answer token of a step weighs the same              --loss_over records: there each micro-batch of one record has a mean of its own
#   with --batch above 1, records of like length together     --any_length
# All of it: bash scripts/finetune_1b5.sh --drop_speech 0 --tasks caption,summary --max_grad_norm 0 --loss_over records
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
GPUS=${GPUS:-$(python -c 'import torch; print(torch.cuda.device_count())')}
[ "$GPUS" -gt 0 ] || { echo "$(basename "$0") needs GPUs, and none was found; on a CPU try: shotluck-finetune --model nano"; exit 1; }
ALL=$((GPUS*${NODES:-1}))
[ $((8%ALL)) -eq 0 ] || { echo "$(basename "$0"): the recipe has 8 records a step, which $ALL GPUs cannot share evenly; set GPUS (and NODES) so that 1, 2, 4 or 8 work"; exit 1; }
if [ "${NODES:-1}" -gt 1 ]; then meet=(--nnodes "$NODES" --node_rank "${NODE:?the number of this node, from 0}" --rdzv_backend static --master_addr "${HEAD%:*}" --master_port "${HEAD##*:}"); else meet=(--standalone); fi
exec torchrun "${meet[@]}" --nproc_per_node "$GPUS" scripts/train.py --model "$MODEL" --data "${DATA:-data}" --out "$OUT" \
    --pool 3 --frames 8 --epochs 1 --lr 2e-5 --schedule cosine --warmup .03 --weight_decay 0 --batch 1 --accumulate $((8/ALL)) --context "${CONTEXT:-0}" \
    --dtype float16 --checkpointing --deepspeed scripts/zero3.json --save_steps 500 --save_total 2 "$@"
