/** What every kernel's host file declares: the shader, its parameters and the closed list of its variants. */
import { type Elem, type LinkInput, link, type ScalarType } from '../gpu/linker.ts';

/** A kernel: one body, the variants that exist of it and how each is linked. */
export interface KernelSpec<Variant> {
  /** The stem of `shaders/<name>.wgsl`. */
  readonly name: string;
  /** Fields of the shader's `struct Params`, in order. A test holds it against the text. */
  readonly params: Readonly<Record<string, ScalarType>>;
  /** Every variant that exists. The tests iterate this list, so an untested variant cannot exist. */
  readonly variants: readonly Variant[];
  readonly link: (variant: Variant) => LinkInput;
}

/** The linked text of one variant. */
export function linkKernel<Variant>(spec: KernelSpec<Variant>, variant: Variant): string {
  return link(spec.link(variant));
}

/** A variant in words, for labels: `rmsnorm int8 f32 subgroups`. */
export function labelOf<Variant extends object>(spec: KernelSpec<Variant>, variant: Variant): string {
  const words = Object.entries(variant).map(([name, value]) => {
    if (typeof value === 'boolean') return value ? name : '';
    return typeof value === 'number' ? `${name}=${value}` : String(value);
  });
  return [spec.name, ...words].filter((word) => word !== '').join(' ');
}

/** All combinations of the given values: `combine({ a: [1, 2], b: [true] })`. */
export function combine<T extends Readonly<Record<string, readonly unknown[]>>>(
  axes: T,
): readonly { readonly [K in keyof T]: T[K][number] }[] {
  let rows: Record<string, unknown>[] = [{}];
  for (const [name, values] of Object.entries(axes)) {
    rows = rows.flatMap((row) => values.map((value) => ({ ...row, [name]: value })));
  }
  return rows as { readonly [K in keyof T]: T[K][number] }[];
}

/** The two choices that most kernels share. */
export interface Numerics {
  /** Element type of the activation buffers. */
  readonly elem: Elem;
  readonly subgroups: boolean;
}

/** True when a device with these features can run the variant. */
export function runsOn(variant: object, has: { readonly f16: boolean; readonly subgroups: boolean }): boolean {
  const { elem, subgroups } = variant as Partial<Numerics>;
  return (elem !== 'f16' || has.f16) && (!subgroups || has.subgroups);
}
