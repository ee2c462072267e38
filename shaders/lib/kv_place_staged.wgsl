// Where the rows of a chunk go: row after row into the head's own pages of a staging buffer, head h from page
// h * stage_pages on.

fn kv_place(row: u32, head: u32) -> Place {
  return Place(head * params.stage_pages + row / PAGE_SLOTS, row % PAGE_SLOTS, true);
}
