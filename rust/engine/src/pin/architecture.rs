//! What a model's `config.json` says of attention: from it follows how much memory a token takes.

use serde::Serialize;
use serde_json::Value;

/// The file.
pub(super) const FILE: &str = "config.json";

/// Kinds of models in which each layer keeps a key and a value of every token, for each of `num_key_value_heads`. In
/// others, which share keys, compress them, or forget tokens, the same names mean less memory.
const KINDS: &[&str] = &[
    "granite",
    "llama",
    "mistral",
    "mixtral",
    "olmo2",
    "phi3",
    "qwen2",
    "qwen2_moe",
    "qwen3",
    "qwen3_moe",
];

/// What `models.snapshots.NAME.manifest.architecture` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Architecture {
    /// Layers, all of them with attention.
    pub layers: u64,
    /// Heads of keys and values.
    pub kv_heads: u64,
    /// Numbers in each head.
    pub head_dim: u64,
    /// Heads of queries.
    pub attention_heads: u64,
    /// Number format of the weights in the files, where they are not quantized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights_dtype: Option<String>,
}

/// What the file says; `None` where it says another kind of model, or not all of it.
pub(super) fn read(config: &[u8]) -> Option<Architecture> {
    let config: Value = serde_json::from_slice(config).ok()?;
    let kind = config["model_type"].as_str()?;
    if !KINDS.contains(&kind) || forgets(&config) {
        return None;
    }
    let number = |key: &str| config[key].as_u64().filter(|it| (1..=10_000).contains(it));
    let attention_heads = number("num_attention_heads")?;
    let head_dim = match config.get("head_dim") {
        None | Some(Value::Null) => {
            let size = config["hidden_size"].as_u64()?;
            Some(size / attention_heads).filter(|it| it * attention_heads == size)?
        }
        Some(_) => number("head_dim")?,
    };
    Some(Architecture {
        layers: number("num_hidden_layers")?,
        kv_heads: number("num_key_value_heads")?,
        head_dim,
        attention_heads,
        weights_dtype: weights_dtype(&config),
    })
}

/// Whether some layers attend to the last tokens alone.
fn forgets(config: &Value) -> bool {
    let window = !config["sliding_window"].is_null() && config["use_sliding_window"] != false;
    let layers = config["layer_types"].as_array();
    window || layers.is_some_and(|all| all.iter().any(|it| it != "full_attention"))
}

fn weights_dtype(config: &Value) -> Option<String> {
    let said = config["dtype"].as_str().or(config["torch_dtype"].as_str());
    said.filter(|it| ["bfloat16", "float16", "float32"].contains(it))
        .filter(|_| config["quantization_config"].is_null())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn llama() -> Value {
        json!({
            "model_type": "llama", "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
            "hidden_size": 4096, "torch_dtype": "bfloat16", "max_position_embeddings": 131_072,
        })
    }

    fn with(changes: &Value) -> Option<Architecture> {
        let mut config = llama();
        for (key, value) in changes.as_object().unwrap() {
            config[key] = value.clone();
        }
        read(config.to_string().as_bytes())
    }

    #[test]
    fn what_each_token_takes_is_read() {
        let known = Architecture {
            layers: 32,
            kv_heads: 8,
            head_dim: 128,
            attention_heads: 32,
            weights_dtype: Some("bfloat16".to_owned()),
        };
        assert_eq!(with(&json!({})), Some(known.clone()));
        assert_eq!(with(&json!({ "head_dim": null })), Some(known.clone()));
        let wide = with(&json!({ "model_type": "qwen3", "head_dim": 160 })).unwrap();
        assert_eq!(wide.head_dim, 160);
        let unused = json!({ "model_type": "qwen2", "sliding_window": 131_072, "use_sliding_window": false });
        assert_eq!(with(&unused), Some(known));
        for changes in [
            json!({ "quantization_config": { "bits": 4 } }),
            json!({ "torch_dtype": "float8_e4m3fn" }),
        ] {
            assert_eq!(with(&changes).unwrap().weights_dtype, None);
        }
    }

    #[test]
    fn what_would_be_too_much_or_a_guess_is_not() {
        for changes in [
            json!({ "model_type": "deepseek_v3" }),
            json!({ "model_type": null }),
            json!({ "num_key_value_heads": null }),
            json!({ "num_hidden_layers": 0 }),
            json!({ "hidden_size": 4097 }),
            json!({ "head_dim": "128" }),
            json!({ "sliding_window": 4096 }),
            json!({ "layer_types": ["full_attention", "sliding_attention"] }),
        ] {
            assert_eq!(with(&changes), None, "{changes}");
        }
        assert_eq!(read(b"{"), None);
        assert_eq!(read(b"[]"), None);
    }
}
