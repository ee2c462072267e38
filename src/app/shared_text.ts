/** The page as a share target: another program opens it with words in its address. */

/** What another program shared with the page, by the address that it was opened with; empty when nothing was. */
export function sharedText(search: string): string {
  const query = new URLSearchParams(search);
  const parts = ['title', 'text', 'url'].map((name) => query.get(name)?.trim() ?? '').filter((part) => part !== '');
  return [...new Set(parts)].join('\n');
}
