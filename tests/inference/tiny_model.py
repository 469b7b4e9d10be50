"""Makes a tiny model of Llama's shape with random weights: MLX and vLLM serve it as they serve a real one.

    tiny_model.py HUB NAME

HUB is the `hub` folder of a cache of Hugging Face, NAME the model's name there, such as `test/tiny-llama`. Prints
the folder that holds its files. One byte is one token; what it says is noise.
"""

import json
import sys
from pathlib import Path

import mlx.core as mx
from mlx.utils import tree_map
from mlx_lm.models.llama import Model, ModelArgs
from mlx_lm.utils import save_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

BEGIN, END = "<|begin|>", "<|end|>"
REVISION = "0" * 40
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ message['role'] }}: {{ message['content'] }}\n"
    "{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}"
)


def save_tokenizer(folder: Path) -> int:
    """Saves a tokenizer whose tokens are the 256 bytes and two marks; gives its size."""
    words = [BEGIN, END, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={word: at for at, word in enumerate(words)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END, chat_template=TEMPLATE
    ).save_pretrained(folder)
    return len(words)


def save_weights(folder: Path, config: dict) -> None:
    """Saves random weights by the library's own model class."""
    mx.random.seed(1)
    model = Model(ModelArgs.from_dict(config))
    model.update(tree_map(lambda weight: weight.astype(mx.bfloat16), model.parameters()))
    save_model(folder, model)


def main() -> None:
    hub, name = Path(sys.argv[1]), sys.argv[2]
    model = hub / f"models--{name.replace('/', '--')}"
    folder = model / "snapshots" / REVISION
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": 256,
        "num_hidden_layers": 2,
        "intermediate_size": 512,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": 64,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "torch_dtype": "bfloat16",
    }
    config["vocab_size"] = save_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    save_weights(folder, config)
    (model / "refs").mkdir(exist_ok=True)
    (model / "refs" / "main").write_text(REVISION)
    print(folder)


main()
