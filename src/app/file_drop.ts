/** Files and folders that are dropped anywhere on the page. Text that is dropped goes where it was dropped. */
import { css, LitElement, nothing } from 'lit';
import { property } from 'lit/decorators.js';

/** A folder with more files than this is not a model's. */
const MOST_FILES = 500;

export class FileDrop extends LitElement {
  static override readonly styles = css`
    :host([over]) {
      position: fixed;
      inset: 0;
      z-index: 3;
      display: grid;
      place-items: center;
      font-size: 1.25rem;
      font-weight: 600;
      color: var(--accent);
      background: color-mix(in srgb, var(--ground) 88%, transparent);
      border: 3px dashed var(--accent);
    }
  `;

  @property({ attribute: false }) take: (files: readonly File[]) => void = () => {};
  /** True while files are held over the page. */
  @property({ type: Boolean, reflect: true }) over = false;

  constructor() {
    super();
    // Shown, it is the new thing under the pointer. The page's shadow tree keeps that from the document, and a drop
    // that follows at once would be refused.
    this.addEventListener('dragenter', this.#onOver);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener('dragover', this.#onOver);
    document.addEventListener('dragleave', this.#onLeave);
    document.addEventListener('drop', this.#onDrop);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener('dragover', this.#onOver);
    document.removeEventListener('dragleave', this.#onLeave);
    document.removeEventListener('drop', this.#onDrop);
  }

  protected override render(): string | typeof nothing {
    return this.over ? 'Drop the model here' : nothing;
  }

  readonly #onOver = (event: DragEvent): void => {
    if (!event.dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    this.over = true;
  };

  readonly #onLeave = (event: DragEvent): void => {
    // Only the window itself is left with nothing to go to.
    if (event.relatedTarget === null) this.over = false;
  };

  readonly #onDrop = (event: DragEvent): void => {
    this.over = false;
    const { dataTransfer } = event;
    if (!dataTransfer?.types.includes('Files')) return;
    event.preventDefault();
    void droppedFiles(dataTransfer).then((files) => {
      if (files.length > 0) this.take(files);
    });
  };
}

/** All files of what was dropped, those in folders too. Entries are gone once the event is over, so they come first. */
async function droppedFiles({ items, files }: DataTransfer): Promise<readonly File[]> {
  const plain = [...files];
  const entries = [...items].map((item) => item.webkitGetAsEntry());
  if (entries.some((entry) => entry === null)) return plain;
  const found: File[] = [];
  for (const entry of entries) if (entry) await collect(entry, found);
  return found;
}

async function collect(entry: FileSystemEntry, found: File[]): Promise<void> {
  if (found.length >= MOST_FILES) return;
  if (isFile(entry)) {
    found.push(await new Promise<File>((resolve, reject) => entry.file(resolve, reject)));
    return;
  }
  if (!isDirectory(entry)) return;
  const reader = entry.createReader();
  for (;;) {
    // A reader gives a hundred entries at a time.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return;
    for (const child of some) await collect(child, found);
  }
}

function isFile(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isDirectory(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}
