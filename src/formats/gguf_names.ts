/**
 * ggml's tensor names in Hugging Face's words, for the Llama, Qwen and SmolLM families. A name it does not know stays
 * as it is, so that whoever builds the model can refuse it instead of losing it.
 */

const GLOBAL: Readonly<Record<string, string>> = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
};

const PER_LAYER: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

/** `blk.3.attn_q.weight` -> `model.layers.3.self_attn.q_proj.weight`. */
export function huggingFaceName(ggmlName: string): string {
  const global = /^([a-z_]+)\.(weight|bias)$/.exec(ggmlName);
  if (global && Object.hasOwn(GLOBAL, global[1])) return `${GLOBAL[global[1]]}.${global[2]}`;
  const layer = /^blk\.(\d+)\.([a-z_]+)\.(weight|bias)$/.exec(ggmlName);
  if (layer && Object.hasOwn(PER_LAYER, layer[2])) return `model.layers.${layer[1]}.${PER_LAYER[layer[2]]}.${layer[3]}`;
  return ggmlName;
}

/**
 * Which rows of a llama or smollm3 file ggml's converter put into interleaved-RoPE order (convert_hf_to_gguf.py,
 * `permute`).
 */
export function interleavedPart(ggmlName: string): 'q' | 'k' | null {
  const match = /^blk\.\d+\.attn_([qk])\.(?:weight|bias)$/.exec(ggmlName);
  if (!match) return null;
  return match[1] === 'q' ? 'q' : 'k';
}
