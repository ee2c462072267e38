/**
 * Links a kernel: a few generated lines, whole library files and the body, in that order. There is no `#ifdef`, no
 * placeholder and no editing of text: what a kernel is made of is what its host file lists.
 */

/** The element type of activations. */
export type Elem = 'f32' | 'f16';

/** What one kernel variant is linked from. */
export interface LinkInput {
  /** Sets `alias elem`; with f16 the module needs `shader-f16`. */
  readonly elem?: Elem;
  /** True enables the `subgroups` extension; the module then needs that feature. */
  readonly subgroups?: boolean;
  /** Generated `const NAME: u32 = value;` lines, for register-array sizes and the like. */
  readonly consts?: Readonly<Record<string, number>>;
  /** Texts of files in `shaders/lib/`, whole. */
  readonly libs?: readonly string[];
  /** Text of `shaders/<name>.wgsl`, whole. */
  readonly body: string;
}

/** The text of a WGSL module. */
export function link(input: LinkInput): string {
  const lines: string[] = [];
  if (input.elem === 'f16') lines.push('enable f16;');
  if (input.subgroups) lines.push('enable subgroups;');
  if (input.elem) {
    lines.push(`alias elem = ${input.elem};`, `alias elem4 = vec4<${input.elem}>;`);
  }
  for (const [name, value] of Object.entries(input.consts ?? {})) lines.push(`const ${name}: u32 = ${value}u;`);
  return [...lines, ...(input.libs ?? []), input.body].join('\n');
}

/** A binding as the linked text declares it. */
export interface BindingDeclaration {
  readonly name: string;
  readonly binding: number;
  readonly kind: 'uniform' | 'read-only-storage' | 'storage';
}

const BINDING = /@group\(0\)\s*@binding\((\d+)\)\s*var<(uniform|storage)(?:,\s*(read|read_write))?>\s*(\w+)\s*:/g;

/** The bindings of a linked module, read from its own text: the one place where they are said. */
export function bindingsOf(text: string): readonly BindingDeclaration[] {
  const found: BindingDeclaration[] = [];
  for (const [, binding, space, access, name] of text.matchAll(BINDING)) {
    const kind = space === 'uniform' ? 'uniform' : access === 'read_write' ? 'storage' : 'read-only-storage';
    found.push({ name: String(name), binding: Number(binding), kind });
  }
  return found.sort((a, b) => a.binding - b.binding);
}

export type ScalarType = 'u32' | 'i32' | 'f32';

/** The fields of `struct Params` in a module's text, in order; empty when the module has none. */
export function paramsOf(text: string): readonly (readonly [string, ScalarType])[] {
  const struct = /struct Params\s*\{([^}]*)\}/.exec(text)?.[1] ?? '';
  const withoutComments = struct.replace(/\/\/.*$/gm, '');
  return [...withoutComments.matchAll(/(\w+)\s*:\s*(u32|i32|f32)\s*,?/g)].map(
    ([, name, type]) => [String(name), type as ScalarType] as const,
  );
}
