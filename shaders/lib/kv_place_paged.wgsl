// Where one decoded token goes: the slot that evict.wgsl gave it on each head, through the page table.
// slots       [.., kv_heads] u32 from slot_base; 0xffffffff for none
// page_table  [.., kv_heads, table_stride] u32 from table_base: the page of each PAGE_SLOTS slots

@group(0) @binding(4) var<storage, read> slots: array<u32>;
@group(0) @binding(5) var<storage, read> page_table: array<u32>;

fn kv_place(row: u32, head: u32) -> Place {
  let slot = slots[params.slot_base + head];
  if (slot == 0xffffffffu) {
    return Place(0u, 0u, false);
  }
  let page = page_table[params.table_base + head * params.table_stride + slot / PAGE_SLOTS];
  return Place(page, slot % PAGE_SLOTS, true);
}
