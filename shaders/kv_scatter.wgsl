// Copies the stored rows of a chunk from staging to the slots that prefill_commit gave them.
//
// slot_of_row  [kv_heads, slot_stride] slot of each row, 0xffffffff for a dropped one
// page_table   [.., kv_heads, table_stride] page of each PAGE_SLOTS slots
// stage        pages of the chunk; head h has pages h * stage_pages and following, row r is slot r of them
// pool         pages of the layer, out (kv_layout.ts)
//
// An invocation owns one word of one slot of one head: key words, then value words, then scales.
// Precondition: the grid is [ceil(rows * SLOT_WORDS / WORKGROUP_SIZE), kv_heads, 1].

struct Params {
  rows: u32,
  stage_pages: u32,
  slot_stride: u32,
  table_base: u32,
  table_stride: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> slot_of_row: array<u32>;
@group(0) @binding(2) var<storage, read> page_table: array<u32>;
@group(0) @binding(3) var<storage, read> stage: array<u32>;
@group(0) @binding(4) var<storage, read_write> pool: array<u32>;

const DROPPED = 0xffffffffu;
const SLOT_WORDS = 2u * ROW_WORDS + SCALE_WORDS;

// Where a word of a slot lies within its page.
fn word_in_page(slot: u32, word: u32) -> u32 {
  if (word < ROW_WORDS) {
    return slot * ROW_WORDS + word;
  }
  if (word < 2u * ROW_WORDS) {
    return (PAGE_SLOTS + slot) * ROW_WORDS + word - ROW_WORDS;
  }
  return 2u * PAGE_SLOTS * ROW_WORDS + slot * SCALE_WORDS + word - 2u * ROW_WORDS;
}

@compute @workgroup_size(WORKGROUP_SIZE)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.x / SLOT_WORDS;
  let word = id.x % SLOT_WORDS;
  let head = id.y;
  if (row >= params.rows) {
    return;
  }
  let slot = slot_of_row[head * params.slot_stride + row];
  if (slot == DROPPED) {
    return;
  }
  let source = head * params.stage_pages + row / PAGE_SLOTS;
  let target_page = page_table[params.table_base + head * params.table_stride + slot / PAGE_SLOTS];
  pool[target_page * PAGE_WORDS + word_in_page(slot % PAGE_SLOTS, word)] =
    stage[source * PAGE_WORDS + word_in_page(row % PAGE_SLOTS, word)];
}
