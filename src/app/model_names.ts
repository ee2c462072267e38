/** Names for people of models that are known by their addresses. */

/** `owner/name` and the file for the hub's, else the last part of the path; with the server where it is another. */
export function keptName(address: string, here: string = globalThis.location?.origin ?? ''): string {
  const { host, origin, pathname } = new URL(address);
  const parts = decodeURIComponent(pathname)
    .split('/')
    .filter((part) => part !== '');
  if (host === 'huggingface.co' && parts[2] === 'resolve') {
    const [owner, name, , , ...file] = parts;
    return [`${owner}/${name}`, ...(file.length > 0 ? [file.join('/')] : [])].join(', ');
  }
  const last = parts.at(-1) ?? host;
  return origin === here ? last : `${last}, ${host}`;
}
